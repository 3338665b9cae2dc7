"""Concatenated ReLU as a basis: the control that tells polynomials from mere width."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .base import Basis, require_length


@dataclass(frozen=True)
class CReLU(Basis, name="crelu"):
    """f(x) = w_0 relu(-x)/h + w_1 relu(x)/h, h = length/2: the values at both ends of the interval, f(0) = 0.

    The parameters and multiply-adds of a quadratic, without a polynomial: relu(x) beside relu(-x)
    in front of an ordinary contraction (Shang et al., 2016, arXiv:1603.05201). M = 2.
    """

    length: float = 2.0

    def __post_init__(self) -> None:
        require_length(self.length)

    @property
    def weights(self) -> int:
        """M = 2."""
        return 2

    def terms(self, x: Tensor) -> list[Tensor]:
        """relu(-x) and relu(x)."""
        return [torch.relu(-x), torch.relu(x)]

    def pullback(self, x: Tensor, terms: list[Tensor], grads: list[Tensor]) -> Tensor:
        """Take the second one right of 0, minus the first one left of it, nothing at 0."""
        return grads[1] * (x > 0) - grads[0] * (x < 0)

    def make_transform(self) -> Tensor:
        """T, float64 (3, 2), without a constant."""
        return torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], dtype=torch.float64) * (2 / self.length)

    def line(self) -> Tensor:
        """Minus and plus half the length."""
        return torch.tensor([-self.length / 2, self.length / 2], dtype=torch.float64)
