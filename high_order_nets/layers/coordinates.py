"""Coordinates as inputs: positions on a mesh, turned axes, waves of a position."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


def mesh(shape: Sequence[int], *, device: Any = None, dtype: Any = None) -> Tensor:
    """Give the positions of a grid's cells, (cells, D), for a shape (height, width) of D = 2, and so on.

    Row by row, as `image.flatten()`; each axis has the middles of equal cells of [-1, 1]. Raises ValueError for an axis
    without cells.
    """
    if not shape or min(shape) < 1:
        raise ValueError(f"shape={tuple(shape)}: expected at least one cell on each axis")
    axes = [
        (2 * torch.arange(size, device=device, dtype=dtype or torch.get_default_dtype()) + 1) / size for size in shape
    ]
    return torch.stack(torch.meshgrid(*(axis - 1 for axis in axes), indexing="ij"), -1).flatten(0, -2)


def rotated(points: Tensor, rotations: int) -> Tensor:
    """Give points (…, 2) in axes turned by 0, π/2r, … (r - 1)π/2r: (…, 2r), the two axes of a turn side by side.

    Divided by |cos| + |sin| of the turn, so that the square [-1, 1]² stays in [-1, 1]. Functions of one variable each
    then vary along r pairs of directions. Raises ValueError for points of another kind.
    """
    if points.shape[-1] != 2 or rotations < 1:
        raise ValueError(f"points {tuple(points.shape)}, rotations={rotations}: expected (…, 2) and at least one")
    angles = torch.arange(rotations, dtype=torch.float64) * (math.pi / (2 * rotations))
    sines, cosines = angles.sin().to(points), angles.cos().to(points)
    x, y = points[..., :1], points[..., 1:]
    turned = torch.stack([x * cosines + y * sines, y * cosines - x * sines], -1) / (sines + cosines).unsqueeze(-1)
    return turned.flatten(-2)


class Sinusoidal(nn.Module):
    """Waves of a position p, a number: (…) → (…, features), sin(ω_i p) then cos(ω_i p), i = 0 … features/2 - 1.

    ω_i = longest^(-i/(features/2 - 1)), from 1 to 1/longest radians (Vaswani et al., 2017, arXiv:1706.03762).
    """

    frequencies: Tensor

    def __init__(self, features: int, longest: float = 10_000.0):
        super().__init__()
        if features < 4 or features % 2:
            raise ValueError(f"features={features}: expected an even number of at least 4, half sines, half cosines")
        powers = torch.linspace(0, -1, features // 2, dtype=torch.float64)
        self.register_buffer("frequencies", (longest**powers).float(), persistent=False)

    def forward(self, positions: Tensor) -> Tensor:
        """Give the waves, in the dtype of the frequencies where positions are whole numbers."""
        waves = positions.unsqueeze(-1) * self.frequencies
        return torch.cat([waves.sin(), waves.cos()], -1)


class FourierFeatures(nn.Module):
    """cos(2πBx) then sin(2πBx): x (…, inputs) → (…, features), with rows of B drawn from a normal distribution.

    `deviation` is that of the frequencies, in waves a unit of x: the larger, the finer (Tancik et al., 2020,
    arXiv:2006.10739). B is not trained, and saved with the weights.
    """

    frequencies: Tensor

    def __init__(self, inputs: int, features: int, deviation: float = 1.0):
        super().__init__()
        if features < 2 or features % 2:
            raise ValueError(f"features={features}: expected an even number, half cosines, half sines")
        self.register_buffer("frequencies", deviation * torch.randn(features // 2, inputs))

    def forward(self, x: Tensor) -> Tensor:
        """Give the waves."""
        waves = 2 * math.pi * nn.functional.linear(x, self.frequencies.to(x.dtype))
        return torch.cat([waves.cos(), waves.sin()], -1)
