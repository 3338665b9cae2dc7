"""Norms that torch has not: without parameters, per sample and never over the batch; and one of two halves."""

import math
from collections.abc import Iterable
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

    def resized(self, num_features: int, **factory: Any) -> "IBN":
        """Make one of another number of channels."""
        return IBN(num_features, self.ratio, self.eps, self.momentum, **factory)

    def extra_repr(self) -> str:
        """Show the channels of each kind."""
        return f"{self.num_features}, instance={self.instance}, eps={self.eps}"


class IterNorm(nn.Module):
    """W (x - μ), scaled and shifted, W ≈ Σ^(-1/2) of groups of channels over the batch: x (batch, C, height, width).

    Whitening by Newton's iteration P ← (3 P - P³ Σ/tr Σ)/2 from P = 1, W = P/√(tr Σ) (Huang et al., CVPR 2019). A group
    has as many channels as divide C and 64. Running means of μ and W serve in evaluation.
    """

    __constants__ = ("num_features", "iterations", "eps", "momentum", "size")
    running_mean: Tensor
    running_whitening: Tensor

    def __init__(
        self, num_features: int, iterations: int = 5, eps: float = 1e-5, momentum: float = 0.1, **factory: Any
    ):
        super().__init__()
        self.num_features, self.iterations, self.eps, self.momentum = num_features, iterations, eps, momentum
        self.size = math.gcd(num_features, 64)
        groups = num_features // self.size
        self.weight = nn.Parameter(torch.ones(num_features, **factory))
        self.bias = nn.Parameter(torch.zeros(num_features, **factory))
        self.register_buffer("running_mean", torch.zeros(groups, self.size, 1, **factory))
        self.register_buffer("running_whitening", torch.eye(self.size, **factory).repeat(groups, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape."""
        grouped = x.transpose(0, 1).reshape(*self.running_mean.shape[:2], -1)  # (groups, size, batch · pixels)
        mean, whitening = self.running_mean, self.running_whitening
        if self.training:
            mean = grouped.mean(2, keepdim=True)
            whitening = self.whitening(grouped - mean)
            with torch.no_grad():
                self.running_mean.lerp_(mean, self.momentum)
                self.running_whitening.lerp_(whitening, self.momentum)
        white = (whitening @ (grouped - mean)).reshape(x.shape[1], x.shape[0], *x.shape[2:]).transpose(0, 1)
        return white * self.weight[:, None, None] + self.bias[:, None, None]

    def whitening(self, centred: Tensor) -> Tensor:
        """(groups, size, values), of mean 0 → (groups, size, size)."""
        one = torch.eye(self.size, dtype=centred.dtype, device=centred.device)
        covariance = self.eps * one + centred @ centred.mT / centred.shape[2]
        trace = covariance.diagonal(dim1=1, dim2=2).sum(1)[:, None, None]
        p = one.expand_as(covariance)
        for _ in range(self.iterations):
            p = 1.5 * p - 0.5 * p @ p @ p @ (covariance / trace)
        return p / trace.sqrt()

    def resized(self, num_features: int, **factory: Any) -> "IterNorm":
        """Make one of another number of channels."""
        return IterNorm(num_features, self.iterations, self.eps, self.momentum, **factory)

    def extra_repr(self) -> str:
        """Show the channels of all and of a group."""
        return f"{self.num_features}, size={self.size}, iterations={self.iterations}, eps={self.eps}"


class SharedNorm(nn.Module):
    """Batch norms of several tensors (batch, C, height, width) with one scale and shift, and statistics of each."""

    __constants__ = ("num_features", "tensors", "eps", "momentum")
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, num_features: int, tensors: int, eps: float = 1e-5, momentum: float = 0.1, **factory: Any):
        super().__init__()
        self.num_features, self.tensors, self.eps, self.momentum = num_features, tensors, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features, **factory))
        self.bias = nn.Parameter(torch.zeros(num_features, **factory))
        self.register_buffer("running_mean", torch.zeros(tensors, num_features, **factory))
        self.register_buffer("running_var", torch.ones(tensors, num_features, **factory))

    def forward(self, xs: Iterable[Tensor]) -> tuple[Tensor, ...]:
        """Keep number and shapes."""
        affine = self.weight, self.bias, self.training, self.momentum, self.eps
        statistics = zip(self.running_mean, self.running_var, strict=True)
        return tuple(F.batch_norm(x, *of, *affine) for x, of in zip(xs, statistics, strict=True))

    def resized(self, num_features: int, **factory: Any) -> "SharedNorm":
        """Make one of another number of channels."""
        return SharedNorm(num_features, self.tensors, self.eps, self.momentum, **factory)
