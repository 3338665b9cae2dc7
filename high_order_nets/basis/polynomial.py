"""One polynomial over the whole interval."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .base import Basis, chebyshev, chebyshev_pullback, inverse_of_values, lobatto_nodes, require, require_length


@dataclass(frozen=True)
class Polynomial(Basis, name="polynomial"):
    """f(x) = Σ_j w_j L_j(x), Lagrange polynomials on n Chebyshev-Lobatto nodes: degree n - 1, M = n.

    w_j is the value of f at node j. The reduced form is Chebyshev's: f = a_0 + Σ_m a_m T_m(2x/length), whose
    transform stays well conditioned (1.6 at n = 10, where monomials have 1179).
    """

    n: int
    length: float = 2.0

    def __post_init__(self) -> None:
        require(self.n >= 1, f"n={self.n}: a polynomial needs at least one node")
        require_length(self.length)

    @property
    def weights(self) -> int:
        """M = n."""
        return self.n

    def nodes(self) -> Tensor:
        """X_j, float64 (n,), from left to right, both ends of the interval included."""
        return lobatto_nodes(self.n) * (self.length / 2)

    def terms(self, x: Tensor) -> list[Tensor]:
        """T_1 … T_{n-1} at 2x/length."""
        return chebyshev(self._local(x), self.n - 1)

    def pullback(self, x: Tensor, terms: list[Tensor], grads: list[Tensor]) -> Tensor:
        """Σ_m grads_m · 2m/length · U_{m-1}(2x/length)."""
        total = chebyshev_pullback(terms[0], grads)
        return total if self.length == 2 else total * (2 / self.length)

    def _local(self, x: Tensor) -> Tensor:
        return x if self.length == 2 else x * (2 / self.length)

    def make_transform(self) -> Tensor:
        """T, float64 (n, n)."""
        nodes = lobatto_nodes(self.n)
        return inverse_of_values(torch.stack([torch.ones_like(nodes), *chebyshev(nodes, self.n - 1)], dim=1))

    def line(self) -> Tensor:
        """The nodes: w_j = X_j is the function x."""
        return self.nodes()
