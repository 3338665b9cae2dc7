"""Piecewise polynomials on equal segments, continuous and discontinuous."""

import math
from abc import abstractmethod
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from .base import (
    BESIDE,
    Basis,
    affine,
    chebyshev,
    chebyshev_derivative,
    chebyshev_pullback,
    inverse_of_values,
    lobatto_nodes,
    require,
    require_length,
)
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

    def terms_within(self, x: Tensor, places: Tensor) -> list[Tensor]:
        """Evaluate the local functions at x by the segments of the places."""
        return self._terms_within(self._position(x), self._segment(self._position(places)))

    def terms(self, x: Tensor) -> list[Tensor]:
        """Evaluate the local functions; see the subclasses."""
        u = self._position(x)
        # At a knot the derivative of clamp would count both segments; a trace may be differentiated later.
        if torch.is_grad_enabled() or torch.jit.is_tracing():  # type: ignore[attr-defined]
            return self._terms_within(u, self._segment(u))
        return self._terms(u, [(u - s if s else u).clamp(*self._ends(s)) for s in range(self.segments)])

    def pullback(self, x: Tensor, terms: list[Tensor], grads: list[Tensor]) -> Tensor:
        """Choose the gradients of the segment that x belongs to: one polynomial is left to be differentiated."""
        if self.n == 1:
            return torch.zeros_like(x)
        u = self._position(x)
        segment = self._segment(u)
        t = affine(u - segment, 2, -1)
        local = self._local_gradients(self._masks(segment), grads)
        return chebyshev_pullback(t, local).mul_(2 * self.segments / self.length)

    def live(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give the n weights that are live at x: their indices, int64 (…, n), and there b_j and db_j/dx, (…, n)."""
        u = self._position(x)
        segment = self._segment(u)
        t = affine(u - segment, 2, -1)
        first = segment.nan_to_num(0).long() * self._weights_a_segment
        index = first.unsqueeze(-1) + torch.arange(self.n, device=x.device)
        polynomials = torch.stack([torch.ones_like(t), *chebyshev(t, self.n - 1)], -1)
        lagrange = Polynomial(self.n).transform()  # from nodal values to Chebyshev coefficients
        scale = 2 * self.segments / self.length
        slopes = chebyshev_derivative(self.n).T @ lagrange * scale
        return index, polynomials @ lagrange.to(x), polynomials @ slopes.to(x)

    @property
    @abstractmethod
    def _weights_a_segment(self) -> int:
        """Count the weights from one segment's first to the next one's."""

    def _position(self, x: Tensor) -> Tensor:
        """Measure x from the left end, in units of segments."""
        return affine(x, self.segments / self.length, self.segments / 2)

    def _segment(self, u: Tensor) -> Tensor:
        """Find the segment of u, a position in units of segments."""
        # The index stays a float: an int would overflow for huge values and swallow NaN.
        return torch.floor(u.detach()).clamp(0, self.segments - 1)

    def _ends(self, s: int) -> tuple[float, float]:
        """Between which values segment s bounds u - s; the outermost segments go on beyond the interval."""
        return -math.inf if s == 0 else 0.0, math.inf if s == self.segments - 1 else 1.0

    def _masks(self, segment: Tensor) -> list[Tensor]:
        """1 on each segment and 0 elsewhere, NaN for NaN; by arithmetic, which is faster than torch.where on CPUs."""
        if self.segments == 1:
            return [torch.ones_like(segment)]
        if self.segments == 2:
            return [1 - segment, segment]
        steps = [(segment - (s - 1)).clamp(0, 1) for s in range(1, self.segments)]
        return [1 - steps[0], *(here - beyond for here, beyond in pairwise(steps)), steps[-1]]

    def _terms_within(self, u: Tensor, segment: Tensor) -> list[Tensor]:
        """Evaluate the terms at u as the given segments continue them; their derivatives are those of the segments."""
        ramps = [torch.where(segment == s, u - s, (segment - s).clamp(0, 1)) for s in range(self.segments)]
        return self._terms(segment, ramps)

    @abstractmethod
    def _terms(self, u: Tensor, ramps: list[Tensor]) -> list[Tensor]:
        """Evaluate the terms from ramps, u - s on segment s, 0 on its left and 1 on its right; u tells the segment."""

    @abstractmethod
    def _local_gradients(self, masks: list[Tensor], grads: list[Tensor]) -> list[Tensor]:
        """Give the gradients of T_1 … T_{n-1} of the segment that each x belongs to."""

    def make_transform(self) -> Tensor:
        """T, float64 (M, M)."""
        u, segment = self._node_positions()
        return inverse_of_values(torch.stack([torch.ones_like(u), *self._terms_within(u, segment)], dim=1))

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

    def _terms(self, u: Tensor, ramps: list[Tensor]) -> list[Tensor]:
        if self.n == 1:
            return []
        hats = [*(rising - next_one for rising, next_one in pairwise(ramps)), ramps[-1]]
        return [term for hat, ramp in zip(hats, ramps, strict=True) for term in (hat, *self._bubbles(ramp))]

    def _bubbles(self, ramp: Tensor) -> list[Tensor]:
        if self.n == 2:
            return []
        t = affine(ramp, 2, -1)
        first = torch.addcmul(t.new_full((), -2.0), t, t, value=2)
        higher = chebyshev(t, self.n - 1)[2:] if self.n > 3 else []
        return [first, *(value - (1 if m % 2 == 0 else t) for m, value in enumerate(higher, start=3))]

    def _local_gradients(self, masks: list[Tensor], grads: list[Tensor]) -> list[Tensor]:
        stride = self.n - 1
        hats = grads[::stride]
        falling = [hats[0], *(hat - before for before, hat in pairwise(hats))]  # each hat falls on the next segment
        local = [_selected(masks, falling).mul_(0.5), *(_selected(masks, grads[m::stride]) for m in range(1, stride))]
        for m, grad in enumerate(local[1:], start=2):
            if m % 2:
                local[0] = local[0] - grad
        return local


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

    def node_sides(self) -> tuple[Tensor, Tensor]:
        """Give both sides of each node within its segment: the ends of neighbours have values of their own."""
        nodes = self.nodes()
        start = self.breaks[self._node_positions()[1].long()]
        end = start + self.length / self.segments
        beside = BESIDE * self.length
        return torch.maximum(nodes - beside, start + beside), torch.minimum(nodes + beside, end - beside)

    def _terms(self, u: Tensor, ramps: list[Tensor]) -> list[Tensor]:
        masks = self._masks(self._segment(u))
        terms = []
        for s, (mask, ramp) in enumerate(zip(masks, ramps, strict=True)):
            polynomials = chebyshev(affine(ramp, 2, -1), self.n - 1)
            if s == 0:
                terms += [(value - (-1) ** m) * mask for m, value in enumerate(polynomials, start=1)]
            else:
                terms += [mask, *(value * mask for value in polynomials)]
        return terms

    def _local_gradients(self, masks: list[Tensor], grads: list[Tensor]) -> list[Tensor]:
        return [_selected(masks, grads[m - 1 :: self.n]) for m in range(1, self.n)]


def _selected(masks: list[Tensor], values: list[Tensor]) -> Tensor:
    """Take each segment's value: a new tensor."""
    total = masks[0] * values[0]
    for mask, value in zip(masks[1:], values[1:], strict=True):
        total = total.addcmul_(mask, value)
    return total
