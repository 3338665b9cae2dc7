"""Piecewise polynomials on equal segments, continuous and discontinuous."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .base import Basis, chebyshev, chebyshev_slopes, inverse_of_values, lobatto_nodes, require, require_length
from .polynomial import Polynomial


@dataclass(frozen=True)
class Piecewise(Basis):
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

    def node_places(self) -> Tensor:
        """Points beside the nodes, towards the middles of their segments, float64 (M,)."""
        u, segment = self._node_positions()
        return ((u + 1e-3 * (segment + 0.5 - u)) / self.segments - 0.5) * self.length

    def functions_within(self, x: Tensor, places: Tensor) -> Tensor:
        """Evaluate b_1 … b_M at x by the segments of the places: (M, *x.shape)."""
        segment, _ = self._located(self._position(places))
        return self._from_terms(x, self._terms(segment, 2 * (self._position(x) - segment) - 1))

    def terms(self, x: Tensor) -> list[Tensor]:
        """Evaluate the local functions; see the subclasses."""
        segment, t = self._located(self._position(x))
        return self._terms(segment, t)

    def slopes(self, x: Tensor) -> Sequence[Tensor | float]:
        """Evaluate their derivatives, those of the segment that x belongs to."""
        segment, t = self._located(self._position(x))
        scale = 2 * self.segments / self.length
        return [slope * scale for slope in self._slopes(segment, t)]

    def live(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give the n weights that are live at x: their indices, int64 (…, n), and there b_j and db_j/dx, (…, n)."""
        segment, t = self._located(self._position(x))
        first = segment.nan_to_num(0).long() * self._weights_a_segment
        polynomials = [torch.ones_like(t), *chebyshev(t, self.n - 1)]
        slopes = [torch.zeros_like(t), *(torch.ones_like(t) * slope for slope in chebyshev_slopes(t, self.n - 1))]
        lagrange = Polynomial(self.n).transform().to(x)  # from nodal values to Chebyshev coefficients
        index = first.unsqueeze(-1) + torch.arange(self.n, device=x.device)
        scale = 2 * self.segments / self.length
        return index, torch.stack(polynomials, -1) @ lagrange, torch.stack(slopes, -1) @ lagrange * scale

    @property
    @abstractmethod
    def _weights_a_segment(self) -> int:
        """Count the weights from one segment's first to the next one's."""

    def _position(self, x: Tensor) -> Tensor:
        """Measure x from the left end, in units of segments."""
        return (x / self.length + 0.5) * self.segments

    def _located(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Find the segment and the place t in [-1, 1] within it of u, a position in units of segments."""
        # The index stays a float: an int would overflow for huge values and swallow NaN.
        segment = torch.floor(u.detach()).clamp(0, self.segments - 1)
        return segment, 2 * (u - segment) - 1

    def _masks(self, segment: Tensor) -> list[Tensor]:
        """1 on each segment and 0 elsewhere, NaN for NaN; by arithmetic, which is faster than torch.where on CPUs."""
        return [1 - (segment - s).abs().clamp(max=1) for s in range(self.segments)]

    def _places(self, t: Tensor) -> list[Tensor]:
        """Give t to the first, the inner and the last segments, bounded beyond their ends, so that 0 · ∞ is 0."""
        if self.segments == 1:
            return [t]
        return [t.clamp(max=2), t.clamp(-2, 2), t.clamp(min=-2)]

    def _place(self, s: int) -> int:
        return 0 if s == 0 else 2 if s == self.segments - 1 else 1

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
class ContinuousPiecewise(Piecewise, name="continuous"):
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
    def _weights_a_segment(self) -> int:
        return self.n - 1

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
        return self._by_segment(segment, [self._hat_and_bubbles(place) for place in self._places(t)])

    def _slopes(self, segment: Tensor, t: Tensor) -> list[Tensor]:
        return self._by_segment(segment, [self._hat_and_bubble_slopes(place) for place in self._places(t)])

    def _hat_and_bubbles(self, t: Tensor) -> list[Tensor]:
        """Rising and falling half of a hat, then the bubbles; nothing for constants."""
        polynomials = chebyshev(t, self.n - 1)
        bubbles = [value - (1 if m % 2 == 0 else t) for m, value in enumerate(polynomials[1:], start=2)]
        return [0.5 * t + 0.5, 0.5 - 0.5 * t, *bubbles] if polynomials else []

    def _hat_and_bubble_slopes(self, t: Tensor) -> list[Tensor]:
        slopes = [torch.ones_like(t) * slope for slope in chebyshev_slopes(t, self.n - 1)]
        bubbles = [slope - (0 if m % 2 == 0 else 1) for m, slope in enumerate(slopes[1:], start=2)]
        return [0.5 * slopes[0], -0.5 * slopes[0], *bubbles] if slopes else []

    def _by_segment(self, segment: Tensor, pieces: list[list[Tensor]]) -> list[Tensor]:
        """Give each segment its hat and bubbles, and 0 elsewhere."""
        if self.n == 1 or self.segments == 1:
            return [value for k, value in enumerate(pieces[0]) if k != 1]
        values, masks = [], self._masks(segment)
        for s, mask in enumerate(masks):
            rising, _, *bubbles = pieces[self._place(s)]
            hat = rising * mask
            if s + 1 < self.segments:
                hat = torch.addcmul(hat, masks[s + 1], pieces[self._place(s + 1)][1])
            values += [hat, *(bubble * mask for bubble in bubbles)]
        return values


@dataclass(frozen=True)
class DiscontinuousPiecewise(Piecewise, name="discontinuous"):
    """Piecewise polynomial, each segment with weights of its own: M = S n. Node j of segment s has index s n + j.

    The terms are T_m on every segment, m = 0 … n-1; on the first one less their value at its left end.
    """

    @property
    def _weights_a_segment(self) -> int:
        return self.n

    @property
    def weights(self) -> int:
        """M = S n."""
        return self.segments * self.n

    def _terms(self, segment: Tensor, t: Tensor) -> list[Tensor]:
        pieces = [[torch.ones_like(place), *chebyshev(place, self.n - 1)] for place in self._places(t)]
        return self._by_segment(segment, pieces, 1)

    def _slopes(self, segment: Tensor, t: Tensor) -> list[Tensor]:
        pieces = [
            [torch.zeros_like(t), *(torch.ones_like(t) * slope for slope in chebyshev_slopes(place, self.n - 1))]
            for place in self._places(t)
        ]
        return self._by_segment(segment, pieces, 0)

    def _by_segment(self, segment: Tensor, pieces: list[list[Tensor]], left: int) -> list[Tensor]:
        """Give each segment its polynomials, and 0 elsewhere; the first one's less `left` times their left values."""
        first = [value - left * (-1) ** m for m, value in enumerate(pieces[0])][1:]
        if self.segments == 1:
            return first
        masks = self._masks(segment)
        values = [value * masks[0] for value in first]
        for s, mask in enumerate(masks[1:], start=1):
            values += [value * mask for value in pieces[self._place(s)]]
        return values
