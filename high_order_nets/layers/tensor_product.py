"""Functions of two or three inputs at once."""

from typing import Any

import torch
from torch import Tensor, nn

from ..basis.ends import ENDS
from ..basis.synapse import Synapse
from .layer_type import as_synapse


class HighOrderTensorProduct(nn.Module):
    """y_o = Σ_jk w_{o,jk} b_j(x_1) b_k(x_2), of three inputs likewise: x (…, 2 or 3) → (…, out_features).

    b_j are the M nodal functions of the synapse's basis, behind its domain, so that weight (out, M, M) or (out, M, M,
    M) holds values on the grid of the nodes. What an additive layer needs two layers for, a product of inputs, is in
    the space at once, at the price of M² or M³ weights a neuron. Weights start as the plane through 0 whose random
    slopes give unit output variance for unit-variance inputs. Raises ValueError for more than three inputs and for
    options that a product of functions has no place for.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        synapse: Synapse | str,
        device: Any = None,
        dtype: Any = None,
        **options: Any,
    ):
        super().__init__()
        self.synapse = as_synapse(synapse, options, type(self))
        if in_features not in (2, 3):
            raise ValueError(f"in_features={in_features}: expected 2 or 3, more would need M^{in_features} weights")
        if (
            self.synapse.parameters != "nodal"
            or self.synapse.shared
            or self.synapse.base
            or self.synapse.neuron != "sum"
            or self.synapse.align != "none"
        ):
            raise ValueError(f"{self.synapse}: expected nodal parameters, no sharing, base, product or alignment")
        self.in_features, self.out_features = in_features, out_features
        shape = (out_features, *[self.synapse.weights] * in_features)
        self.weight = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw planes."""
        if self.weight.is_meta:
            return
        synapse = self.synapse
        one = synapse.ended(synapse.basis.constant(), torch.zeros(ENDS))
        line, one = (values.to(self.weight) for values in (synapse.line(), one))
        self.weight.zero_()
        for place in range(self.in_features):
            factors = [line if other == place else one for other in range(self.in_features)]
            plane = factors[0]
            for factor in factors[1:]:
                plane = plane.unsqueeze(-1) * factor
            slopes = torch.randn(self.out_features, *[1] * self.in_features).to(self.weight)
            self.weight += slopes * plane / self.in_features**0.5

    def forward(self, x: Tensor) -> Tensor:
        """x (…, in_features) → (…, out_features)."""
        if x.shape[-1:] != (self.in_features,):
            raise ValueError(f"x of shape {tuple(x.shape)}: expected (…, {self.in_features})")
        first, *others = self.synapse.functions(x).to(x.dtype).movedim(0, -1).unbind(-2)  # (…, M) each
        for other in others:
            first = (first.unsqueeze(-1) * other.unsqueeze(-2)).flatten(-2)
        return nn.functional.linear(first, self.weight.flatten(1))

    def extra_repr(self) -> str:
        """Show the sizes, then the functions."""
        return f"in_features={self.in_features}, out_features={self.out_features}, {self.synapse}"
