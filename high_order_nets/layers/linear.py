"""The fully connected layer."""

import torch.nn.functional as F
from torch import Tensor

from .base import HighOrderLayer
from .synapse import Synapse


class HighOrderLinear(HighOrderLayer):
    """y_o = Σ_i f_{o,i}(x_i) + bias_o: x (…, in_features) → (…, out_features), weight (out, M, in)."""

    def __init__(
        self, in_features: int, out_features: int, synapse: Synapse, bias: bool = False, device=None, dtype=None
    ):
        self.in_features, self.out_features = in_features, out_features
        super().__init__(
            (out_features, synapse.weights, in_features),
            in_features,
            synapse,
            out_features if bias or synapse.needs_bias else None,
            device=device,
            dtype=dtype,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Contract the expanded input (…, G·in) with the coefficients (out, G·in)."""
        a0, a = self.coefficients()
        constant = self.bias
        if a0 is not None:
            constant = a0.sum(-1) if constant is None else a0.sum(-1) + constant
        features = self.synapse.expand(x, dim=-2).flatten(-2)
        return F.linear(features, a.flatten(1), constant)
