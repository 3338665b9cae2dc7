"""The slopes beyond the ends of the interval that functions have for themselves, under domain=slopes.

A function's last two weights: f(x) = f(-ℓ/2) + s_1 (x + ℓ/2) on the left of the interval, f(ℓ/2) + s_2 (x - ℓ/2) on
its right. They are the coefficients of two more terms, which are 0 inside.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from .base import Basis, on_their_own

ENDS = 2


def end_terms(beyond: Tensor) -> list[Tensor]:
    """Give both terms of beyond = x - point: min(x + ℓ/2, 0) and max(x - ℓ/2, 0)."""
    return [beyond.clamp(max=0), beyond.clamp(min=0)]


def end_pullback(beyond: Tensor, grads: list[Tensor]) -> Tensor:
    """Give what the gradients of both terms say of x."""
    return grads[0] * (beyond < 0) + grads[1] * (beyond > 0)


def live_ends(beyond: Tensor, first: int) -> tuple[Tensor, Tensor, Tensor]:
    """Give the indices of both weights, from the first one on, the terms and their derivatives, (…, 2) each."""
    index = first + torch.arange(ENDS, device=beyond.device).expand(*beyond.shape, ENDS)
    derivatives = torch.stack([beyond < 0, beyond > 0], -1).to(beyond.dtype)
    return index, torch.stack(end_terms(beyond), -1), derivatives


def with_ends(matrix: Tensor) -> Tensor:
    """Let a matrix of functions without slopes leave slopes as they are: (rows + 2, columns + 2)."""
    return torch.block_diag(matrix, torch.eye(ENDS, dtype=matrix.dtype, device=matrix.device))


def slopes_of(f: Callable[[Tensor], Tensor], length: float) -> Tensor:
    """Give f' at both ends, float64 (2,)."""
    with on_their_own():
        ends = torch.tensor([-length / 2, length / 2], dtype=torch.float64, requires_grad=True)
        return torch.autograd.grad(f(ends).sum(), ends)[0]


def tangents(basis: Basis) -> Tensor:
    """D, float64 (2, M): D w are the slopes at both ends of the function with the weights w."""
    with on_their_own():
        slopes = torch.tensor(basis.end_slopes, dtype=torch.float64).view(-1, ENDS)
        return slopes.T @ basis.transform()[1:]
