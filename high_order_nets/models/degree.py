"""How high the degree of a network is: measured along lines through its inputs."""

import math
from copy import deepcopy

import torch
from torch import Tensor, nn

from ..conversion.swaps import ACTIVATIONS
from .blocks import Block, PreAct, Residual
from .blocks.funnel import Funnel
from .polynomial_mlp import Polynomial


def degrees(
    net: nn.Module, ends: Tensor, others: Tensor, *, points: int = 33, reach: float = 1.0, tolerance: float = 1e-9
) -> list[int]:
    """Measure the degree in t of net(m + t · reach · d) along lines, in evaluation and float64; one number a line.

    ends, others (lines, …): inputs, m the middle of each pair and d half its difference, so that reach=1 goes from one
    to the other. The outputs at Chebyshev's points, -1 < t < 1, are combined to c_k = 2/points Σ_j y_j cos(k θ_j), the
    finite differences of those points, whose rounding errors do not grow with k. The degree is the largest k with
    |c_k| > tolerance · max |c|; points - 1 where that is the last, as without activations of no polynomial. Terms of a
    degree above about 30 are below rounding.
    """
    copied = deepcopy(net).eval().to(ends.device, torch.float64)
    angles = (torch.arange(points, dtype=torch.float64, device=ends.device) + 0.5) * math.pi / points
    waves = torch.cos(angles * torch.arange(points, device=ends.device)[:, None])  # (k, j)
    found = []
    for end, other in zip(ends.double(), others.double(), strict=True):
        along = angles.cos().view(-1, *(1 for _ in end.shape))
        with torch.no_grad():
            values = copied((end + other) / 2 + along * reach * (other - end) / 2).flatten(1)
        sizes = (waves @ values).abs().amax(1)
        found.append(int((sizes > tolerance * sizes.max()).nonzero().max()))
    return found


def is_polynomial(net: nn.Module) -> bool:
    """Say whether a network multiplies feature maps and has no activation to keep the products in bounds."""
    modules = list(net.modules())
    sums = (Residual, PreAct)
    products = any(isinstance(each, Polynomial | Funnel | Block) and type(each) not in sums for each in modules)
    return products and not any(isinstance(each, tuple(ACTIVATIONS.values())) for each in modules)
