"""Piecewise polynomials on equal segments, continuous and discontinuous."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .base import Basis, chebyshev, inverse_of_values, lobatto_nodes, require, require_length


@dataclass(frozen=True)
class _Piecewise(Basis):
    """S equal segments of n Chebyshev-Lobatto nodes. A knot belongs to the segment on its right."""

    n: int
    segments: int = 1
    length: float = 2.0

    def __post_init__(self) -> None:
        require(self.n >= 1, f"n={self.n}: a segment needs at least one node")
        require(self.segments >= 1, f"segments={self.segments}: at least one segment is needed")
        require_length(self.length)

    @property
    def breaks(self) -> Tensor:
        """The knots and both ends, float64 (S + 1,)."""
        return torch.linspace(-self.length / 2, self.length / 2, self.segments + 1, dtype=torch.float64)

    def terms(self, x: Tensor) -> list[Tensor]:
        """Ramps t_s, the bubbles of each segment that vanish at its ends, then steps where the space has them."""
        u = (x / self.length + 0.5) * self.segments
        # The index stays a float: an int would overflow for huge values and swallow NaN.
        return self._terms(u, torch.floor(u.detach()).clamp(0, self.segments - 1))

    def _terms(self, u: Tensor, segment: Tensor) -> list[Tensor]:
        """Evaluate at u = position in segments, each point taken to belong to the segment given."""
        values = []
        zero, one = torch.zeros_like(u), torch.ones_like(u)
        for s in range(self.segments if self.n > 1 else 0):
            # Only the active segment passes a gradient, so that at a knot the derivative is that of its own segment.
            inside = u - s
            ramp = torch.where(segment < s, zero, torch.where(segment > s, one, inside))
            values += [ramp, *self._bubbles(ramp)]
        return values

    def _bubbles(self, ramp: Tensor) -> list[Tensor]:
        """T_m(t) - 1 (m even) or T_m(t) - t (m odd), t = 2·ramp - 1, m = 2 … n-1: zero at both ends of the segment."""
        t = 2 * ramp - 1
        polynomials = chebyshev(t, self.n - 1)
        return [value - (1 if m % 2 == 0 else t) for m, value in enumerate(polynomials[1:], start=2)]

    def _nodal_values(self, u: Tensor, segment: Tensor) -> Tensor:
        """V[j, g] = φ_g(X_j), the constant first, float64 (M, 1 + G)."""
        return torch.stack([torch.ones_like(u), *self._terms(u, segment)], dim=1)

    def _segment_nodes(self) -> Tensor:
        """Nodes in units of segments, float64 (S, n)."""
        local = (lobatto_nodes(self.n) + 1) / 2
        return torch.arange(self.segments, dtype=torch.float64)[:, None] + local


@dataclass(frozen=True)
class ContinuousPiecewise(_Piecewise, name="continuous"):
    """Piecewise polynomial, neighbours share the weight at their common end: M = S(n - 1) + 1.

    Node j of segment s has the weight of index s(n - 1) + j.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.n > 1 or self.segments == 1,
            f"n=1 with segments={self.segments}: a continuous function of constants is one constant; take n >= 2",
        )

    @property
    def weights(self) -> int:
        """M = S(n - 1) + 1."""
        return self.segments * (self.n - 1) + 1

    def nodes(self) -> Tensor:
        """X_j, float64 (M,), from left to right."""
        return (self._node_positions() / self.segments - 0.5) * self.length

    def _node_positions(self) -> Tensor:
        nodes = self._segment_nodes()
        return torch.cat([nodes[:, : max(self.n - 1, 0)].flatten(), nodes[-1, -1:]])

    def make_transform(self) -> Tensor:
        """T, float64 (M, M)."""
        u = self._node_positions()
        return inverse_of_values(self._nodal_values(u, torch.floor(u).clamp(0, self.segments - 1)))

    def line(self) -> Tensor:
        """The nodes: w_j = X_j is the function x."""
        return self.nodes()


@dataclass(frozen=True)
class DiscontinuousPiecewise(_Piecewise, name="discontinuous"):
    """Piecewise polynomial, each segment with weights of its own: M = S n. Node j of segment s has index s n + j."""

    @property
    def weights(self) -> int:
        """M = S n."""
        return self.segments * self.n

    def nodes(self) -> Tensor:
        """X_j, float64 (M,), segment by segment: a knot stands twice."""
        return ((self._segment_nodes() / self.segments - 0.5) * self.length).flatten()

    def _terms(self, u: Tensor, segment: Tensor) -> list[Tensor]:
        steps = [(segment >= s).to(u.dtype) for s in range(1, self.segments)]
        if self.n == 1:  # No ramp carries a NaN on, so that the steps have to.
            steps = [torch.where(u.isnan(), u, step) for step in steps]
        return super()._terms(u, segment) + steps

    def make_transform(self) -> Tensor:
        """T, float64 (M, M)."""
        u = self._segment_nodes()
        segment = torch.arange(self.segments, dtype=torch.float64)[:, None].expand_as(u)
        return inverse_of_values(self._nodal_values(u.flatten(), segment.flatten()))

    def line(self) -> Tensor:
        """The nodes: w_j = X_j is the function x."""
        return self.nodes()
