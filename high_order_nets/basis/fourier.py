"""Fourier series."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .base import Basis, require, require_length


@dataclass(frozen=True)
class Fourier(Basis, name="fourier"):
    """f(x) = w_0/2 + Σ_j w_j φ_j(x), φ_j = sin(iθ) for odd j, cos(iθ) for even j, i = ⌈j/2⌉, θ = 2πx/length.

    n counts the terms, the constant included: odd n gives complete pairs. M = n, period = length.
    """

    n: int
    length: float = 2.0

    def __post_init__(self) -> None:
        require(self.n >= 1, f"n={self.n}: a Fourier series needs at least one term")
        require_length(self.length)

    @property
    def weights(self) -> int:
        """M = n."""
        return self.n

    def terms(self, x: Tensor) -> list[Tensor]:
        """Evaluate sin θ, cos θ, sin 2θ, … (n - 1 of them), the higher orders by the addition theorem."""
        if self.n == 1:
            return []
        theta = x * (2 * math.pi / self.length)
        sine, cosine = torch.sin(theta), torch.cos(theta)
        values = [sine, cosine]
        if self.n > 3:
            values += [sine * cosine * 2, torch.addcmul(x.new_full((), 1.0), sine, sine, value=-2)]
        while len(values) < self.n - 1:
            last_sine, last_cosine = values[-2:]
            values.append(torch.addcmul(last_sine * cosine, last_cosine, sine))
            values.append(torch.addcmul(last_cosine * cosine, last_sine, sine, value=-1))
        return values[: self.n - 1]

    def pullback(self, x: Tensor, terms: list[Tensor], grads: list[Tensor]) -> Tensor:
        """Σ_i ωi (grads_sin cos(iθ) - grads_cos sin(iθ)), ω = 2π/length."""
        complete = len(terms) % 2 == 0
        waves = terms if complete else Fourier(self.n + 1, self.length).terms(x)
        total: Tensor | None = None
        for j, grad in enumerate(grads):
            order = j // 2 + 1
            wave, factor = (waves[j - 1], -order) if j % 2 else (waves[j + 1], order)
            total = grad * wave if total is None else torch.addcmul(total, grad, wave, value=factor)
        assert total is not None
        return total.mul_(2 * math.pi / self.length)

    def make_transform(self) -> Tensor:
        """T = diag(1/2, 1, …, 1), float64 (n, n)."""
        diagonal = torch.ones(self.n, dtype=torch.float64)
        diagonal[0] = 0.5
        return torch.diag(diagonal)

    def line(self) -> Tensor:
        """sin θ stands for the line; a constant alone (n = 1) has none."""
        weights = torch.zeros(self.n, dtype=torch.float64)
        weights[1:2] = 1.0
        return weights
