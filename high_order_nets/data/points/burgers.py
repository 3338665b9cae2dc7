"""Inviscid Burgers, u_t + (u²/2)_x = 0 from u(x, 0) = -sin(πx): its solution, and points to solve it at."""

import math

import torch
from torch import Tensor

from ..batches import derive_seed
from .tables import Points

BOUNDS = ((-1.0, 0.0), (1.0, 1.0))
"""x from -1 to 1, t from 0 to 1."""
STEPS = 60
"""Bisections: 1 is halved to less than the rounding of a float64."""
GRID = (200, 100)
"""Cells of x and t in whose middles a solution is judged; none is at the shock."""


def exact(x: Tensor, t: Tensor) -> Tensor:
    """Give the entropy solution u(x, t) on [-1, 1], of the shape of x and t, float64.

    u = -sin(πξ) on the characteristic x = ξ + u t that reaches (x, t). From t = 1/π on several do: the shock stands at
    x = 0 between u and -u (Rankine-Hugoniot), which those end in that start nearer to it; the outermost one is left.
    u(0, t) = 0.
    """
    x, t = torch.broadcast_tensors(x.double(), t.double())
    side = x.abs()
    bend = (1 / (math.pi * t).clamp(min=1)).acos() / math.pi  # from there on ξ - t sin(πξ) grows
    low, high = bend, torch.ones_like(bend)
    for _ in range(STEPS):
        middle = (low + high) / 2
        short = middle - t * torch.sin(math.pi * middle) < side
        low, high = torch.where(short, middle, low), torch.where(short, high, middle)
    return -x.sign() * torch.sin(math.pi * (low + high) / 2)


def burgers_points(inside: int, edge: int, seed: int) -> Points:
    """Draw places (x, t): `inside` ones where the equation is to hold, `edge` ones with t = 0, and as many on x = ±1.

    To test on there is the grid, with the solution. Each place has its value, those inside for the figures alone.
    """
    generator = torch.Generator().manual_seed(derive_seed(seed, 3))

    def uniform(count: int) -> Tensor:
        return torch.rand(count, generator=generator, dtype=torch.float64)

    x = torch.cat([2 * uniform(inside) - 1, 2 * uniform(edge) - 1, torch.ones(edge, dtype=torch.float64)])
    x[inside + edge :: 2] = -1
    t = torch.cat([uniform(inside), torch.zeros(edge, dtype=torch.float64), uniform(edge)])
    over_x, over_t = (low + (high - low) * _middles(n) for n, low, high in zip(GRID, *BOUNDS, strict=True))
    test_x, test_t = (part.flatten() for part in torch.meshgrid(over_x, over_t, indexing="ij"))
    train, test = torch.stack([x, t], 1), torch.stack([test_x, test_t], 1)
    return Points(("x", "t"), ("u",), train, exact(x, t)[:, None], test, exact(test_x, test_t)[:, None], BOUNDS)


def _middles(count: int) -> Tensor:
    return (torch.arange(count, dtype=torch.float64) + 0.5) / count
