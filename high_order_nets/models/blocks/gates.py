"""Gates: a factor for each feature map, read off all of its image, that a block's F passes before it meets S."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import SqueezeExcitation

from ...errors import UserError, expected
from .drawing import drawn_beside
from .precision import exactly, full


class QuadraticGate(nn.Module):
    """x ∗ (1 + clamp(B A s, -1, 1)), s the means over the image: x (batch, C, height, width) → the same, of degree 2.

    A (R, C) and B (C, R) are `squeeze_weight` and `excite_weight`, R = ⌊C / reduction⌋ and at least 1. B starts at 0,
    and so the gate as the identity; A is He's normal, drawn beside torch's random state, so that a network has the
    weights of the one without gates. There are no activations.
    """

    __constants__ = ("num_features", "reduction")

    def __init__(self, num_features: int, reduction: int = 16, **factory: Any):
        super().__init__()
        self.num_features, self.reduction = num_features, reduction
        rank = reduced(num_features, reduction)
        self.squeeze_weight = nn.Parameter(torch.empty(rank, num_features, **factory))
        self.excite_weight = nn.Parameter(torch.empty(num_features, rank, **factory))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw A, and start B at 0."""
        self.squeeze_weight.copy_(drawn_beside(self.squeeze_weight, (2 / self.num_features) ** 0.5))
        nn.init.zeros_(self.excite_weight)

    def forward(self, x: Tensor) -> Tensor:
        """Multiply, in float32 at least."""
        with exactly(x):
            wide = full(x)
            squeezed = F.linear(wide.mean((2, 3)), full(self.squeeze_weight))
            factor = F.linear(squeezed, full(self.excite_weight)).clamp(-1, 1) + 1
            return (wide * factor[:, :, None, None]).to(x.dtype)

    def resized(self, num_features: int, **factory: Any) -> "QuadraticGate":
        """Make one of another number of channels."""
        return QuadraticGate(num_features, self.reduction, **factory)

    def extra_repr(self) -> str:
        """Show the channels, all and squeezed."""
        return f"{self.num_features}, rank={len(self.squeeze_weight)}"


def squeeze_excitation(num_features: int, reduction: int) -> SqueezeExcitation:
    """Make x ∗ sigmoid(B relu(A s + a) + b), of the rank of a QuadraticGate (Hu et al., CVPR 2018): the control."""
    return SqueezeExcitation(num_features, reduced(num_features, reduction))


def reduced(num_features: int, reduction: int) -> int:
    """⌊C / reduction⌋, at least 1."""
    return max(1, num_features // reduction)


GATES: dict[str, Callable[[int, int], nn.Module] | None] = {
    "none": None,
    "quadratic": QuadraticGate,
    "se": squeeze_excitation,
}
"""The gates by name."""


def make_gate(name: str, num_features: int, reduction: int) -> nn.Module | None:
    """Make a gate for so many channels; None for `none`."""
    if name not in GATES:
        raise UserError(f"block.gate={name}: unknown gate{expected(GATES)}")
    gate = GATES[name]
    return None if gate is None else gate(num_features, reduction)
