"""One number a connection: the function of an ordinary layer."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .base import Basis, require_length


@dataclass(frozen=True)
class Line(Basis):
    """f(x) = w x, what the layer type `product` multiplies. M = 1."""

    length: float = 2.0

    def __post_init__(self) -> None:
        require_length(self.length)

    @property
    def weights(self) -> int:
        """M = 1."""
        return 1

    def terms(self, x: Tensor) -> list[Tensor]:
        """Give x itself."""
        return [x]

    def pullback(self, x: Tensor, terms: list[Tensor], grads: list[Tensor]) -> Tensor:
        """Give the gradient as it is."""
        return grads[0]

    def make_transform(self) -> Tensor:
        """T, float64 (2, 1), without a constant."""
        return torch.tensor([[0.0], [1.0]], dtype=torch.float64)

    def line(self) -> Tensor:
        """Give 1."""
        return torch.ones(1, dtype=torch.float64)
