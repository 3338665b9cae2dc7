"""The fully connected layer."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from ..basis.synapse import Synapse
from ..kernels.parameters import Inputs, Parameters
from .base import HighOrderLayer
from .layer_type import as_synapse


class HighOrderLinear(HighOrderLayer):
    """y_o = Σ_i f_{o,i}(x_i) + bias_o: x (…, in_features) → (…, out_features), weight (out, M, in).

    synapse is a Synapse, or a layer type's name with its options (`"polynomial", n=3, scale=4.0`).
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        synapse: Synapse | str,
        bias: bool = False,
        device: Any = None,
        dtype: Any = None,
        **options: Any,
    ):
        synapse = as_synapse(synapse, options, type(self))
        self.in_features, self.out_features = in_features, out_features
        super().__init__(
            (out_features, in_features),
            Inputs(in_features, 1, in_features, in_features),
            synapse,
            out_features if bias or synapse.needs_bias else None,
            device=device,
            dtype=dtype,
        )

    def _sizes(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}"

    def forward(self, x: Tensor) -> Tensor:
        """x (…, in_features) → (…, out_features)."""
        if x.shape[-1:] != (self.in_features,):
            raise ValueError(f"x of shape {tuple(x.shape)}: expected (…, {self.in_features})")
        if x.dim() == 2:
            return self.evaluate(x)
        return self.evaluate(x.reshape(-1, self.in_features)).view(*x.shape[:-1], self.out_features)

    def contract(self, features: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
        """Multiply: features (rows, T·in), kernel (out, T, in) → (rows, out)."""
        return F.linear(features, kernel.flatten(1), bias)

    def contract_gradients(
        self, grad: Tensor, features: Tensor, kernel: Tensor, needed: tuple[bool, bool]
    ) -> tuple[Tensor | None, Tensor | None]:
        """Give the gradients of features and kernel."""
        features_grad = grad @ kernel.flatten(1) if needed[0] else None
        return features_grad, (grad.mT @ features).view_as(kernel) if needed[1] else None

    def offset(self, p: Parameters, x: Tensor) -> Tensor | None:
        """Add up a neuron's constants: (out,)."""
        if not self.has_constants:
            return p.bias
        row = self.transform[0]
        total = self.rescaled(p.weight.sum(-1, dtype=row.dtype) @ row)  # in this order: two small operations
        return total if p.bias is None else total + p.bias

    def neuron_sums(self, constants: Tensor) -> Tensor:
        """(out, in) → (out,)."""
        return constants.sum(-1)

    def spread(self, values: Tensor) -> Tensor:
        """(rows, in) → (1, rows, in)."""
        return values.unsqueeze(0)
