"""Norms without parameters, per sample and never over the batch."""

import torch
from torch import Tensor, nn

EPSILON = 1e-6


def max_abs(x: Tensor, axes: tuple[int, ...], eps: float = EPSILON) -> Tensor:
    """x / (max|x| + ε) over the axes."""
    return x / (x.abs().amax(axes, keepdim=True) + eps)


def max_center(x: Tensor, axes: tuple[int, ...], eps: float = EPSILON) -> Tensor:
    """(x - m) / (max - m + ε), m = (max + min)/2, over the axes."""
    high, low = x.amax(axes, keepdim=True), x.amin(axes, keepdim=True)
    middle = (high + low) / 2
    return (x - middle) / (high - middle + eps)


class _SampleNorm(nn.Module):
    """A norm over all of a sample's values in images (batch, C, *space), over the last axis elsewhere."""

    def __init__(self, features_last: bool = False, eps: float = EPSILON):
        super().__init__()
        self.features_last, self.eps = features_last, eps

    def axes(self, x: Tensor) -> tuple[int, ...]:
        """Give the axes of one sample."""
        return (-1,) if self.features_last or x.dim() <= 2 else tuple(range(1, x.dim()))

    def extra_repr(self) -> str:
        """Show ε."""
        return f"eps={self.eps}"


class MaxAbs(_SampleNorm):
    """x / (max|x| + ε): the infinity norm, over all of a sample's values (images) or its features."""

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape."""
        return max_abs(x, self.axes(x), self.eps)


class MaxCenter(_SampleNorm):
    """(x - m) / (max - m + ε), m the midrange: the values fill [-1, 1]."""

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape."""
        return max_center(x, self.axes(x), self.eps)


class L2(_SampleNorm):
    """x / (‖x‖₂ + ε) over features, in images over the channels at each position."""

    def axes(self, x: Tensor) -> tuple[int, ...]:
        """Give the feature axis."""
        return (-1,) if self.features_last or x.dim() <= 2 else (1,)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape."""
        return x / (torch.linalg.vector_norm(x, dim=self.axes(x), keepdim=True) + self.eps)
