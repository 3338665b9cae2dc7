"""What happens to inputs beyond the interval."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


def mirror(x: Tensor, period: float) -> Tensor:
    """Fold x into [-period/2, period/2] by a triangle wave of slope ±1."""
    u = torch.remainder(x + period / 2, 2 * period)
    return torch.where(u > period, 2 * period - u, u) - period / 2


def mirror_slope(x: Tensor, period: float) -> Tensor:
    """Give the slope of `mirror` at x: 1 or -1."""
    return torch.where(torch.remainder(x + period / 2, 2 * period) > period, -1.0, 1.0)


def _clamped(x: Tensor, length: float) -> Tensor:
    return x.clamp(-length / 2, length / 2)


def _inside(x: Tensor, _y: Tensor, length: float) -> Tensor:
    return (x.abs() <= length / 2).to(x.dtype)


class Domain(NamedTuple):
    """How an input x beyond the interval of some length is brought to a point y of it."""

    point: Callable[[Tensor, float], Tensor]
    """(x, length) → y."""
    slope: Callable[[Tensor, Tensor, float], Tensor | None]
    """(x, y, length) → dy/dx as far as the functions feel it; None where it is 1."""


DOMAINS: dict[str, Domain] = {
    "extrapolate": Domain(lambda x, _length: x, lambda _x, _y, _length: None),
    # Beyond the ends the functions go on with the slope that they have there.
    "linear": Domain(_clamped, lambda _x, _y, _length: None),
    "slopes": Domain(_clamped, _inside),  # a function's own slopes come as terms beside (ends.py)
    "clamp": Domain(_clamped, _inside),
    "tanh": Domain(
        lambda x, length: torch.tanh(x * (2 / length)) * (length / 2),
        lambda _x, y, length: 1 - (y * (2 / length)) ** 2,
    ),
    "mirror": Domain(mirror, lambda x, _y, length: mirror_slope(x, length).to(x.dtype)),
}
"""What can happen beyond the interval."""
