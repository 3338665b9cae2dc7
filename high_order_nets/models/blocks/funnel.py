"""Funnels: activations that see a pixel's neighbours, by a product (cf. Ma et al., Funnel Activation, ECCV 2020)."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import UserError, expected
from .drawing import drawn_beside
from .precision import exactly, full

FUNNELS = ("none", "product", "sum")
"""The funnels by name."""


class Depthwise(nn.Module):
    """A 3×3 convolution of each channel by itself, weight (C, 1, 3, 3), that a conversion leaves as it is."""

    __constants__ = ("num_features",)

    def __init__(self, num_features: int, **factory: Any):
        super().__init__()
        self.num_features = num_features
        self.weight = nn.Parameter(torch.empty(num_features, 1, 3, 3, **factory))
        with torch.no_grad():
            self.weight.copy_(drawn_beside(self.weight, (2 / 9) ** 0.5))  # He's normal

    def forward(self, x: Tensor) -> Tensor:
        """(batch, C, height, width) → the same."""
        return F.conv2d(x, self.weight, padding=1, groups=self.num_features)

    def resized(self, num_features: int, **factory: Any) -> "Depthwise":
        """Make one of another number of channels."""
        return Depthwise(num_features, **factory)

    def extra_repr(self) -> str:
        """Show the channels."""
        return str(self.num_features)


class Funnel(nn.Module):
    """r(u) + u ∗ N(D u), r(u) given: D depthwise, N a batch norm whose scale starts at 0, and the funnel as r(u).

    product=False leaves u ∗ out: the control.
    """

    def __init__(self, channels: int, product: bool = True):
        super().__init__()
        self.depthwise, self.norm = Depthwise(channels), nn.BatchNorm2d(channels)
        self.product = product
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start at r(u)."""
        nn.init.zeros_(self.norm.weight)

    def forward(self, u: Tensor, bent: Tensor) -> Tensor:
        """u, bent (batch, C, height, width) → the same, norm and product in float32 at least."""
        around = self.depthwise(u)
        with exactly(u):
            around = self.norm(full(around))
            return (full(bent) + (full(u) * around if self.product else around)).to(u.dtype)


def make_funnel(name: str, channels: int) -> Funnel | None:
    """Make a funnel for so many channels; None for `none`."""
    if name not in FUNNELS:
        raise UserError(f"block.funnel={name}: unknown funnel{expected(FUNNELS)}")
    return None if name == "none" else Funnel(channels, name == "product")
