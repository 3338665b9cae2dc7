"""Piecewise polynomials on equal segments, continuous and discontinuous."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .base import Basis, chebyshev, chebyshev_slopes, inverse_of_values, lobatto_nodes, require, require_length


@dataclass(frozen=True)
class _Piecewise(Basis):
    """S equal segments of n Chebyshev-Lobatto nodes. A knot belongs to the segment on its right.

    Every term lives on one or two segments, so that none cancels another far away: half precision stays right for
    many segments. All of them vanish at the left end; that is where the constant is taken from.
    """

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

    def nodes(self) -> Tensor:
        """X_j, float64 (M,), from left to right; discontinuous functions have each knot twice."""
        u, _ = self._node_positions()
        return (u / self.segments - 0.5) * self.length

    def terms(self, x: Tensor) -> list[Tensor]:
        """Evaluate the local functions; see the subclasses."""
        segment, t = self._located((x / self.length + 0.5) * self.segments)
        return self._terms(segment, t)

    def slopes(self, x: Tensor) -> Sequence[Tensor | float]:
        """Evaluate their derivatives, those of the segment that x belongs to."""
        segment, t = self._located((x / self.length + 0.5) * self.segments)
        scale = 2 * self.segments / self.length
        return [slope * scale for slope in self._slopes(segment, t)]

    def _located(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Find the segment and the place t in [-1, 1] within it of u, a position in units of segments."""
        # The index stays a float: an int would overflow for huge values and swallow NaN.
        segment = torch.floor(u.detach()).clamp(0, self.segments - 1)
        return segment, 2 * (u - segment) - 1

    @abstractmethod
    def _terms(self, segment: Tensor, t: Tensor) -> list[Tensor]:
        """Evaluate the terms at places t of given segments."""

    @abstractmethod
    def _slopes(self, segment: Tensor, t: Tensor) -> list[Tensor]:
        """Evaluate dφ/dt."""

    def make_transform(self) -> Tensor:
        """T, float64 (M, M)."""
        u, segment = self._node_positions()
        t = 2 * (u - segment) - 1
        return inverse_of_values(torch.stack([torch.ones_like(t), *self._terms(segment, t)], dim=1))

    def _node_positions(self) -> tuple[Tensor, Tensor]:
        """Nodes in units of segments and the segments they belong to, float64 (M,) each."""
        local = (lobatto_nodes(self.n) + 1) / 2
        segment = torch.arange(self.segments, dtype=torch.float64).repeat_interleave(self.n)
        return segment + local.repeat(self.segments), segment

    def line(self) -> Tensor:
        """The nodes: w_j = X_j is the function x."""
        return self.nodes()


@dataclass(frozen=True)
class ContinuousPiecewise(_Piecewise, name="continuous"):
    """Piecewise polynomial, neighbours share the weight at their common end: M = S(n - 1) + 1.

    Node j of segment s has the weight of index s(n - 1) + j. The terms are, for every segment, the hat of its right
    end (rising on it, falling on the next) and its bubbles T_m - 1 (m even) or T_m - t (m odd), zero at both ends.
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

    def _node_positions(self) -> tuple[Tensor, Tensor]:
        u, segment = super()._node_positions()
        own = torch.ones(self.segments, self.n, dtype=torch.bool)
        own[:-1, self.n - 1 :] = False  # The next segment has the knot.
        return u[own.flatten()], segment[own.flatten()]

    def _terms(self, segment: Tensor, t: Tensor) -> list[Tensor]:
        if self.n == 1:
            return []
        polynomials = chebyshev(t, self.n - 1)
        bubbles = [value - (1 if m % 2 == 0 else t) for m, value in enumerate(polynomials[1:], start=2)]
        return self._by_segment(segment, 0.5 * t + 0.5, 0.5 - 0.5 * t, bubbles)

    def _slopes(self, segment: Tensor, t: Tensor) -> list[Tensor]:
        if self.n == 1:
            return []
        slopes = chebyshev_slopes(t, self.n - 1)
        bubbles = [slope - (0 if m % 2 == 0 else 1) for m, slope in enumerate(slopes[1:], start=2)]
        half = torch.full_like(t, 0.5)
        return self._by_segment(segment, half, -half, bubbles)  # type: ignore[arg-type]

    def _by_segment(self, segment: Tensor, rising: Tensor, falling: Tensor, bubbles: list[Tensor]) -> list[Tensor]:
        """Give each segment its hat and bubbles, and 0 elsewhere."""
        values = []
        masks = [segment == s for s in range(self.segments)] if self.segments > 1 else [segment.isfinite()]
        nothing = _zeros_or_nan(rising)
        for s, here in enumerate(masks):
            beyond = torch.where(masks[s + 1], falling, nothing) if s + 1 < self.segments else nothing
            values.append(torch.where(here, rising, beyond))
            values += [torch.where(here, bubble, nothing) for bubble in bubbles]
        return values


@dataclass(frozen=True)
class DiscontinuousPiecewise(_Piecewise, name="discontinuous"):
    """Piecewise polynomial, each segment with weights of its own: M = S n. Node j of segment s has index s n + j.

    The terms are T_m on every segment, m = 0 … n-1; on the first one less their value at its left end.
    """

    @property
    def weights(self) -> int:
        """M = S n."""
        return self.segments * self.n

    def _terms(self, segment: Tensor, t: Tensor) -> list[Tensor]:
        polynomials = chebyshev(t, self.n - 1)
        first = [value - (-1) ** m for m, value in enumerate(polynomials, start=1)]
        return self._by_segment(segment, t, first, [torch.ones_like(t), *polynomials])

    def _slopes(self, segment: Tensor, t: Tensor) -> list[Tensor]:
        slopes = [torch.ones_like(t) * slope for slope in chebyshev_slopes(t, self.n - 1)]
        return self._by_segment(segment, t, slopes, [torch.zeros_like(t), *slopes])

    def _by_segment(self, segment: Tensor, t: Tensor, first: list[Tensor], others: list[Tensor]) -> list[Tensor]:
        nothing = _zeros_or_nan(t)
        values = []
        for s in range(self.segments):
            here = segment == s
            values += [torch.where(here, value, nothing) for value in (first if s == 0 else others)]
        return values


def _zeros_or_nan(t: Tensor) -> Tensor:
    """0 where t is a number, so that NaN stays NaN whatever segment it is compared with."""
    return torch.where(t.isnan(), t, 0)
