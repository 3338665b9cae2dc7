"""Reads learned functions of one variable out as formulas, and a small network as one expression."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import sympy
import torch
from scipy.optimize import least_squares
from torch import Tensor, nn

from .attribution import Traced, trace
from .regressor import Regressor

GOOD = 1e-6
"""What a formula may leave of a function's variance to be taken for it, or else four times what the best one leaves."""
SEEN = 300
"""Points at which a function is compared with formulas."""
SLOPES = tuple(sign * size for size in (0.3, 0.6, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.5, 6.0, 9.0) for sign in (1, -1))
SHIFTS = tuple(np.linspace(-3.2, 3.2, 17).tolist())


class Kind(NamedTuple):
    """g in c g(a x + b) + d: as numbers and as a formula, and whether a and b say something that c and d do not."""

    numbers: Callable[[np.ndarray], np.ndarray]
    formula: Callable[[Any], Any]
    slope: bool = True
    shift: bool = True


LIBRARY: dict[str, Kind] = {  # the simplest first
    "x": Kind(lambda u: u, lambda u: u, slope=False, shift=False),
    "x²": Kind(np.square, lambda u: u**2, slope=False),
    "exp": Kind(np.exp, sympy.exp, shift=False),
    "sin": Kind(np.sin, sympy.sin),
    "|x|": Kind(np.abs, sympy.Abs, slope=False),
    "x³": Kind(lambda u: u**3, lambda u: u**3, slope=False),
    "√x": Kind(np.sqrt, sympy.sqrt),
    "log": Kind(np.log, sympy.log),
    "1/x": Kind(lambda u: 1 / u, lambda u: 1 / u),
    "x⁴": Kind(lambda u: u**4, lambda u: u**4, slope=False),
    "tanh": Kind(np.tanh, sympy.tanh),
    "gauss": Kind(lambda u: np.exp(-u * u), lambda u: sympy.exp(-(u**2))),
}
"""By name."""


@dataclass(frozen=True)
class Formula:
    """c g(a x + b) + d, with its R² at the points where the function was seen; kind "" is the constant d."""

    kind: str
    a: float
    b: float
    c: float
    d: float
    r2: float

    def __call__(self, x: Any) -> Any:
        """Give the expression of x, a sympy one."""
        if not self.kind:
            return sympy.Float(self.d)
        if self.kind == "exp" and self.c > 0:  # c exp(u) = exp(u + log c), which then adds up with what u has
            return sympy.exp(self.a * x + (self.b + math.log(self.c))) + self.d
        return self.c * LIBRARY[self.kind].formula(self.a * x + self.b) + self.d

    def __str__(self) -> str:
        return f"{self.kind or 'constant'}, R² = {self.r2:.8f}"


def read_function(x: Tensor, y: Tensor) -> Formula:
    """Find the formula of a function with the values y (N,) at x (N,): the simplest of LIBRARY that is good enough.

    Each by least squares: a and b on a grid, then all by Levenberg's way, x being scaled to [-1, 1].
    """
    order = torch.argsort(x)
    chosen = order[torch.linspace(0, len(order) - 1, min(SEEN, len(order))).long()]
    points, values = (part[chosen].double().cpu().numpy() for part in (x, y))
    if np.ptp(points) == 0 or np.ptp(values) <= 1e-9 * max(1.0, float(np.abs(values).max())):
        return Formula("", 0.0, 0.0, 0.0, float(values.mean()), 1.0)
    middle, half = (points.min() + points.max()) / 2, np.ptp(points) / 2
    found = [_fitted(name, (points - middle) / half, values) for name in LIBRARY]
    best = min(1 - each.r2 for each in found)
    formula = next(each for each in found if 1 - each.r2 <= max(GOOD, 4 * best))
    return Formula(formula.kind, formula.a / half, formula.b - formula.a * middle / half, *_rest(formula))


def _rest(formula: Formula) -> tuple[float, float, float]:
    return formula.c, formula.d, formula.r2


def _fitted(name: str, t: np.ndarray, y: np.ndarray) -> Formula:
    kind = LIBRARY[name]
    grid = product(SLOPES if kind.slope else (1.0,), SHIFTS if kind.shift else (0.0,))
    with np.errstate(all="ignore"):
        starts = [(*_linear(kind, t, y, a, b), a, b) for a, b in grid]
        rest, c, d, a, b = min(starts)
        if not math.isfinite(rest):
            return Formula(name, 0.0, 0.0, 0.0, float(y.mean()), -math.inf)
        free = [*([0] if kind.slope else []), *([1] if kind.shift else [])]
        if free:
            rest, c, d, a, b = min((rest, c, d, a, b), _polished(kind, t, y, [a, b], free))
    return Formula(name, a, b, c, d, 1 - rest / float(np.var(y)))


def _linear(kind: Kind, t: np.ndarray, y: np.ndarray, a: float, b: float) -> tuple[float, float, float]:
    """Give what the best c and d leave of the variance, and these; inf where the function has no values."""
    g = kind.numbers(a * t + b)
    spread = float(np.var(g)) if np.isfinite(g).all() else 0.0
    if spread <= 1e-12:
        return math.inf, 0.0, 0.0
    c = float(np.mean((g - g.mean()) * (y - y.mean()))) / spread
    d = float(y.mean() - c * g.mean())
    return float(np.mean((c * g + d - y) ** 2)), c, d


def _polished(
    kind: Kind, t: np.ndarray, y: np.ndarray, start: list[float], free: list[int]
) -> tuple[float, float, float, float, float]:
    def both(values: np.ndarray) -> list[float]:
        ab = list(start)
        for place, value in zip(free, values, strict=True):
            ab[place] = float(value)
        return ab

    def errors(values: np.ndarray) -> np.ndarray:
        a, b = both(values)
        rest, c, d = _linear(kind, t, y, a, b)
        return c * kind.numbers(a * t + b) + d - y if math.isfinite(rest) else np.full_like(y, 1e6)

    solved = least_squares(errors, [start[place] for place in free], xtol=1e-14, ftol=1e-14, gtol=1e-14)
    a, b = both(solved.x)
    return (*_linear(kind, t, y, a, b), a, b)


@dataclass(frozen=True)
class Reading:
    """A network in formulas: those of each layer's connections, [layer][output][input], and an expression an output."""

    traced: list[Traced]
    formulas: list[list[list[Formula]]]
    expressions: dict[str, sympy.Expr]

    def __str__(self) -> str:
        return "\n".join(f"{name} = {expression}" for name, expression in self.expressions.items())


def read_network(found: Regressor | nn.Module, x: Tensor, digits: int = 4) -> Reading:
    """Read a small fully connected network out at points x (N, inputs) of the data.

    Each connection by `read_function`; the formulas are put together and rounded to so many digits after the point.
    Raises UserError for networks that `trace` cannot follow.
    """
    inputs, outputs, scaled = None, None, x
    if isinstance(found, Regressor):
        inputs, outputs, scaled = found.inputs, found.outputs, found.scaling[0](x)
    net = found.net if isinstance(found, Regressor) else found
    traced = trace(net, scaled)
    formulas = [
        [
            [read_function(layer.inputs[:, i], layer.values[:, o, i]) for i in range(layer.inputs.shape[1])]
            for o in range(layer.outputs.shape[1])
        ]
        for layer in traced
    ]
    symbols = [sympy.Symbol(name) for name in inputs or [f"x{i}" for i in range(x.shape[1])]]
    found_outputs = _composed(traced, formulas, _scaled(symbols, found))
    names = outputs or [f"y{o}" for o in range(len(found_outputs))]
    if isinstance(found, Regressor):
        back = zip(found_outputs, found.scaling[1].factor, found.scaling[1].offset, strict=True)
        found_outputs = [_expanded(value / factor + offset) for value, factor, offset in back]
    expressions = {name: rounded(value, digits) for name, value in zip(names, found_outputs, strict=True)}
    return Reading(traced, formulas, expressions)


def _scaled(symbols: Sequence[Any], found: Regressor | nn.Module) -> list[Any]:
    if not isinstance(found, Regressor):
        return list(symbols)
    scaling = found.scaling[0]
    return [(s - o) * f for s, o, f in zip(symbols, scaling.offset, scaling.factor, strict=True)]


def _composed(traced: list[Traced], formulas: list[list[list[Formula]]], inputs: list[Any]) -> list[Any]:
    """Put the formulas of all layers together."""
    for layer, rows in zip(traced, formulas, strict=True):
        constants = layer.constants.tolist()
        inputs = [
            _expanded(constant + sum(f(u) for f, u in zip(row, inputs, strict=True)))
            for row, constant in zip(rows, constants, strict=True)
        ]
    return inputs


def _expanded(expression: Any) -> Any:
    """Multiply out, inside functions too, but leave exp(u + v) whole."""
    return sympy.expand(expression, power_exp=False, power_base=False)


def rounded(expression: Any, digits: int) -> Any:
    """Round all numbers, and leave out terms and factors that vanish by it; whole numbers become such."""

    def number(value: Any) -> Any:
        near = round(float(value), digits)
        return sympy.Integer(int(near)) if near == int(near) else sympy.Float(str(near))

    return expression.xreplace({value: number(value) for value in expression.atoms(sympy.Float)})
