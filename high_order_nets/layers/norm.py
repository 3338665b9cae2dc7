"""Norms that torch has not: without parameters, per sample and never over the batch; and one of two halves."""

from typing import Any

import torch
import torch.nn.functional as F
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


class IBN(nn.Module):
    """Instance norm of the first ⌊ratio · C⌋ channels, batch norm of the others: x (batch, C, height, width).

    Pan et al., Two at Once (ECCV 2018), with the ratio 0.8 of R-PolyNets (Chrysos et al., CVPR 2023). One scale and one
    shift a channel; running statistics of the others alone.
    """

    running_mean: Tensor
    running_var: Tensor
    __constants__ = ("num_features", "ratio", "eps", "momentum", "instance")

    def __init__(self, num_features: int, ratio: float = 0.8, eps: float = 1e-5, momentum: float = 0.1, **factory: Any):
        super().__init__()
        self.num_features, self.ratio, self.eps, self.momentum = num_features, ratio, eps, momentum
        self.instance = int(ratio * num_features)
        self.weight = nn.Parameter(torch.ones(num_features, **factory))
        self.bias = nn.Parameter(torch.zeros(num_features, **factory))
        others = num_features - self.instance
        self.register_buffer("running_mean", torch.zeros(others, **factory))
        self.register_buffer("running_var", torch.ones(others, **factory))

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape."""
        sizes = [self.instance, self.num_features - self.instance]
        (first, others), weights, biases = (t.split(sizes, d) for t, d in ((x, 1), (self.weight, 0), (self.bias, 0)))
        normed = F.instance_norm(first, None, None, weights[0], biases[0], eps=self.eps)
        statistics = self.running_mean, self.running_var
        rest = F.batch_norm(others, *statistics, weights[1], biases[1], self.training, self.momentum, self.eps)
        return torch.cat([normed, rest], 1)

    def extra_repr(self) -> str:
        """Show the channels of each kind."""
        return f"{self.num_features}, instance={self.instance}, eps={self.eps}"
