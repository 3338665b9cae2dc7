"""Functions to approximate, by name."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import UserError
from ..batches import derive_seed
from .tables import Points

HALF = 1.0
"""The functions live on [-1, 1] in each of their inputs."""


@dataclass(frozen=True)
class Target:
    """y = f(x) on [-1, 1]^inputs: x (N, inputs) → y (N, outputs)."""

    inputs: int
    f: Callable[[Tensor], Tensor]


def _stacked(*columns: Tensor) -> Tensor:
    return torch.stack(columns, 1)


TARGETS: dict[str, Target] = {
    "sine": Target(1, lambda x: torch.sin(torch.pi * x)),
    "chirp": Target(1, lambda x: torch.sin(torch.pi * (x + 2) ** 2)),
    "runge": Target(1, lambda x: 1 / (1 + 25 * x**2)),
    "kink": Target(1, lambda x: x.abs()),
    "step": Target(1, lambda x: torch.where(x > 0, 0.5, -0.5).to(x.dtype)),
    "exp_sine": Target(2, lambda x: torch.exp(torch.sin(torch.pi * x[:, :1]) + x[:, 1:] ** 2)),
    "xor": Target(2, lambda x: torch.where(x[:, :1] * x[:, 1:] > 0, 0.5, -0.5).to(x.dtype)),
    "peaks": Target(2, lambda x: torch.exp(-8 * x.square().sum(1, keepdim=True)) + 0.5 * x[:, :1] * x[:, 1:]),
    "polar": Target(2, lambda x: _stacked(x.norm(dim=1), x[:, 0] * x[:, 1])),
    "waves": Target(3, lambda x: torch.sin(torch.pi * x).prod(1, keepdim=True)),
}
"""By name. exp_sine is exp(sin(πx) + y²); xor is 0.5 where x y > 0, else -0.5; polar has the outputs r and x y."""


def draw_points(name: str, train: int, test: int, noise: float, seed: int) -> Points:
    """Draw points uniform on [-1, 1]^inputs, float64; those to test on are the same for every seed.

    noise is the standard deviation of normal noise on the values trained on. Raises UserError for an unknown name.
    """
    if name not in TARGETS:
        raise UserError(f"dataset.target={name}: unknown function; expected one of {', '.join(TARGETS)}")
    target = TARGETS[name]
    generator = torch.Generator().manual_seed(derive_seed(seed, 1))
    x = _uniform(train, target.inputs, generator)
    y = target.f(x)
    y = y + noise * torch.randn(y.shape, generator=generator, dtype=y.dtype)
    test_x = _uniform(test, target.inputs, torch.Generator().manual_seed(derive_seed(0, 2)))
    bounds = ((-HALF,) * target.inputs, (HALF,) * target.inputs)
    names = tuple("xyz"[: target.inputs]), ("f",) if y.shape[1] == 1 else tuple(f"f{o}" for o in range(y.shape[1]))
    return Points(*names, x, y, test_x, target.f(test_x), bounds)


def _uniform(count: int, inputs: int, generator: torch.Generator) -> Tensor:
    return (torch.rand(count, inputs, generator=generator, dtype=torch.float64) * 2 - 1) * HALF
