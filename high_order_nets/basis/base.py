"""What a basis is: a space of functions on an interval, with weights that mean something."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, lru_cache
from typing import ClassVar

import torch
from torch import Tensor

BESIDE = 1e-9
"""How near to a node its sides are looked at, in lengths of the interval."""


class Basis(ABC):
    """f(x) = Σ_j w_j b_j(x): M weights a function, on the interval [-length/2, length/2].

    The weights w are what is learned: for polynomials the values of f at the nodes, for Fourier
    series the coefficients. A layer evaluates the same function in a *reduced* form

        f(x) = a_0 + Σ_{g=1..G} a_g φ_g(x),   a = T w,

    because functions that sum to one need one group less in the contraction. A subclass is a frozen dataclass and gives
    `weights`, `terms` (the φ_g), `pullback` (their derivatives), `make_transform` (T) and `line`; everything else
    follows from those.
    """

    registry: ClassVar[dict[str, type["Basis"]]] = {}
    """The bases by the name that a layer type carries: `polynomial`, `fourier`, …"""

    length: float

    def __init_subclass__(cls, name: str | None = None) -> None:
        super().__init_subclass__()
        if name is not None:
            Basis.registry[name] = cls

    @property
    @abstractmethod
    def weights(self) -> int:
        """M, the number of weights of one function."""

    @abstractmethod
    def terms(self, x: Tensor) -> list[Tensor]:
        """Evaluate φ_1 … φ_G at x; each has the shape and dtype of x. Nothing is clamped: end pieces continue."""

    @abstractmethod
    def pullback(self, x: Tensor, terms: list[Tensor], grads: list[Tensor]) -> Tensor:
        """Give Σ_g grads_g dφ_g/dx, of x's shape, for the terms at x and G ≥ 1; at a knot that of the knot's segment.

        What the gradients of the terms say of x, in as few passes over memory as the basis allows.
        """

    @abstractmethod
    def make_transform(self) -> Tensor:
        """Make T, float64 (1 + G, M): from the weights to the coefficients of 1, φ_1 … φ_G."""

    @abstractmethod
    def line(self) -> Tensor:
        """Weights, float64 (M,), of the function that stands for a line of slope 1 through 0."""

    def nodes(self) -> Tensor | None:
        """X_j, float64 (M,), where the weights are values at nodes; None where they are not."""
        return None

    def interpolate(self, f: Callable[[Tensor], Tensor]) -> Tensor:
        """Weights, float64 (M,), of the function that meets f at the nodes (least squares where there are none)."""
        nodes = self.nodes()
        if nodes is not None:
            return f(nodes)
        x = (torch.arange(1024, dtype=torch.float64) + 0.5) * (self.length / 1024) - self.length / 2
        return torch.linalg.lstsq(self.functions(x).T, f(x)[:, None]).solution[:, 0]

    def transform(self) -> Tensor:
        """T, float64 (1 + G, M), made once; not to be changed in place."""
        return _transform(self)

    @cached_property
    def groups(self) -> int:
        """G, the number of terms beside the constant."""
        return self.transform().shape[0] - 1

    @cached_property
    def has_constant(self) -> bool:
        """Say whether constants lie in the space: one a neuron would do, the rest is redundant."""
        return bool(self.transform()[0].any())

    @property
    def breaks(self) -> Tensor:
        """Ends of the smooth pieces within the interval, both ends included, float64 (S + 1,)."""
        return torch.tensor([-self.length / 2, self.length / 2], dtype=torch.float64)

    def functions(self, x: Tensor) -> Tensor:
        """Evaluate b_1 … b_M at x of any shape: (M, *x.shape), in x's dtype."""
        return self._from_terms(x, self.terms(x))

    def functions_within(self, x: Tensor, places: Tensor) -> Tensor:
        """Evaluate b_1 … b_M at x as the smooth pieces that the places lie in continue: (M, *x.shape).

        At a jump the places tell which of its sides is meant.
        """
        return self._from_terms(x, self.terms_within(x, places))

    def terms_within(self, x: Tensor, places: Tensor) -> list[Tensor]:
        """Evaluate φ_1 … φ_G at x as the smooth pieces that the places lie in continue, as `functions_within`."""
        del places
        return self.terms(x)

    def node_sides(self) -> tuple[Tensor, Tensor] | None:
        """Give a point on the left and one on the right of each node, as near as matters, float64 (M,) each.

        Both are on the same side where the value at the node says nothing of the other one.
        """
        nodes = self.nodes()
        return None if nodes is None else (nodes - BESIDE * self.length, nodes + BESIDE * self.length)

    def _from_terms(self, x: Tensor, terms: list[Tensor]) -> Tensor:
        reduced = torch.stack([torch.ones_like(x), *terms])
        return torch.einsum("gm,g...->m...", self.transform().to(x), reduced)

    @cached_property
    def end_slopes(self) -> tuple[tuple[float, float], ...]:
        """dφ_g/dx at both ends of the interval, a pair for every term."""
        with on_their_own():
            ends = torch.tensor([-self.length / 2, self.length / 2], dtype=torch.float64)
            terms = self.terms(ends)
            ones = torch.eye(len(terms), dtype=torch.float64).unsqueeze(-1).expand(-1, -1, 2)
            pairs = [self.pullback(ends, terms, list(chosen)).tolist() for chosen in ones]
            return tuple((left, right) for left, right in pairs)

    def constant(self) -> Tensor:
        """Weights, float64 (M,), of the function 1 (least squares where constants are not in the space)."""
        transform = self.transform()
        return torch.linalg.lstsq(transform, torch.eye(len(transform), dtype=torch.float64)[:, :1]).solution[:, 0]


@contextmanager
def on_their_own() -> Iterator[None]:
    """Compute what is cached on the CPU, with gradients where asked for, whatever mode and device surround the call."""
    with torch.device("cpu"), torch.inference_mode(False), torch.enable_grad():
        yield


@lru_cache(maxsize=256)
def _transform(basis: Basis) -> Tensor:
    with on_their_own():
        return basis.make_transform()


def inverse_of_values(values: Tensor) -> Tensor:
    """T = V⁻¹ for V[j, g] = φ_g(X_j), float64: nodal values to coefficients."""
    return torch.linalg.inv(values)


def lobatto_nodes(n: int) -> Tensor:
    """-cos(jπ/(n-1)), j = 0 … n-1: extrema of T_{n-1}, from left to right, float64 (n,); for n = 1 the point 0."""
    if n == 1:
        return torch.zeros(1, dtype=torch.float64)
    # The sine form is odd to the last bit, so that the nodes are symmetric and the middle one is exactly 0.
    j = torch.arange(n, dtype=torch.float64)
    return torch.sin((2 * j - (n - 1)) * math.pi / (2 * (n - 1)))


def affine(x: Tensor, slope: float, constant: float) -> Tensor:
    """Slope · x + constant, in one pass over memory."""
    return torch.add(x.new_full((), constant), x, alpha=slope)


def chebyshev(t: Tensor, degree: int) -> list[Tensor]:
    """T_1(t) … T_degree(t) by T_{m+1} = 2 t T_m - T_{m-1}."""
    values = [t]
    if degree > 1:
        values.append(torch.addcmul(t.new_full((), -1.0), t, t, value=2))
    while len(values) < degree:
        values.append(torch.addcmul(-values[-2], t, values[-1], value=2))
    return values[:degree]


def chebyshev_pullback(t: Tensor, grads: list[Tensor]) -> Tensor:
    """Σ_m grads_m T_m'(t), m = 1 …, by T_m' = m U_{m-1} and U_{m+1} = 2 t U_m - U_{m-1}."""
    total = grads[0]
    if len(grads) > 1:
        total = torch.addcmul(total, t, grads[1], value=4)
    before, second = t.new_full((), 1.0), 2 * t if len(grads) > 2 else t  # U_0 and U_1
    for m, grad in enumerate(grads[2:], start=3):
        before, second = second, torch.addcmul(-before, t, second, value=2)
        total = torch.addcmul(total, second, grad, value=m)
    return total


def chebyshev_derivative(count: int) -> Tensor:
    """D, float64 (count, count): T_m' = Σ_k D[m, k] T_k for m, k = 0 … count-1."""
    derivative = torch.zeros(count, count, dtype=torch.float64)
    for m in range(1, count):
        derivative[m, torch.arange(m - 1, -1, -2)] = 2.0 * m
        if m % 2:
            derivative[m, 0] = m
    return derivative


def require(condition: bool, message: str) -> None:
    """Raise ValueError with this message unless the condition holds."""
    if not condition:
        raise ValueError(message)


def require_length(length: float) -> None:
    """Refuse an interval without a positive, finite length."""
    require(math.isfinite(length) and length > 0, f"length={length}: the interval needs a positive, finite length")
