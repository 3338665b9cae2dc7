"""What stands on each connection: a basis, and what is done to the input before it."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from . import Basis, Piecewise
from .domain import DOMAINS, mirror, mirror_slope
from .ends import ENDS, end_pullback, end_terms, live_ends, slopes_of, with_ends

BASES: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": F.silu,
    "relu": F.relu,
    "gelu": F.gelu,
    "tanh": torch.tanh,
    "identity": lambda x: x,
}
"""The activations that a base branch can have."""
PARAMETERS = ("nodal", "spectral")
SHARING = ("synapse", "channel", "deviation")
NEURONS = ("sum", "product")
ALIGNS = ("none", "layer", "channel", "batch")
MEASURED = ("layer", "channel")
"""Alignments that are measured once, and constant from then on."""


@dataclass(frozen=True)
class Synapse:
    """f(domain(mirror(x))): the function space of a layer's connections.

    - domain: what happens beyond the interval: `extrapolate` (the end polynomials continue), `linear` (their
      tangents continue), `slopes` (lines continue whose slopes are two more weights of a function), `clamp`, `tanh`
      (x ← (ℓ/2) tanh(2x/ℓ), which also bends the inside) or `mirror`.
    - periodicity: fold the input into [-p/2, p/2] first.
    - align: the functions get u = (x - c)·f in place of x, base branches too. `layer`: c = 0 and 1/f the root mean
      square of the layer's input; `channel`: c and 1/f the mean and the deviation of each input channel; both of the
      first batch (`high_order_nets.align`), until then u = x. `batch`: a batch norm without parameters.
    - rescale_output: divide a neuron by its number of inputs.
    - parameters: `nodal` weights (values at the nodes, or Fourier coefficients), or `spectral`: the coefficients of
      the reduced form without the constant, and one bias a neuron instead.
    - sharing: `synapse`, a function for every connection; `channel`, one for every input channel, in front of an
      ordinary contraction; `deviation`, the same as one function a layer plus half of what a channel deviates from it;
      an integer g, one for each of g groups of channels.
    - base: an activation whose ordinary contraction is added to the output; None for no such branch.
    - dropout, noise: in training, drop inputs with this probability and add normal noise of this deviation.
    - neuron: `sum`, or `product` (fully connected layers alone), whose alpha says how much it keeps of the linear part
      that the product contains.
    """

    basis: Basis
    domain: str = "extrapolate"
    periodicity: float | None = None
    rescale_output: bool = False
    init: str = "linear"
    parameters: str = "nodal"
    sharing: str | int = "synapse"
    base: str | None = None
    dropout: float = 0.0
    noise: float = 0.0
    neuron: str = "sum"
    alpha: float = 1.0
    align: str = "none"

    def __post_init__(self) -> None:
        require_name("domain", self.domain, DOMAINS)
        require_name("parameters", self.parameters, PARAMETERS)
        require_name("neuron", self.neuron, NEURONS)
        require_name("align", self.align, ALIGNS)
        if self.base is not None:
            require_name("base", self.base, BASES)
        if self.periodicity is not None and not self.periodicity > 0:
            raise ValueError(f"periodicity={self.periodicity}: expected a positive number or None")
        if not (isinstance(self.sharing, int) and self.sharing >= 1):
            require_name("sharing", self.sharing, (*SHARING, "a number of groups"))
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout={self.dropout}: expected a probability in [0, 1)")
        if not self.noise >= 0:
            raise ValueError(f"noise={self.noise}: expected a standard deviation of at least 0")

    def __str__(self) -> str:
        """The basis, and the fields that differ from their defaults."""
        changed = [f"{f.name}={getattr(self, f.name)}" for f in fields(self) if getattr(self, f.name) != f.default]
        return ", ".join([str(self.basis), *changed[1:]])  # the basis has no default

    @property
    def weights(self) -> int:
        """M weights a function, or G of them when they are spectral; two more under domain=slopes."""
        return self.ends + (self.basis.weights if self.parameters == "nodal" else self.basis.groups)

    @property
    def groups(self) -> int:
        """G, the number of terms beside the constant; two more under domain=slopes."""
        return self.basis.groups + self.ends

    @property
    def ends(self) -> int:
        """How many weights of a function say how it goes on beyond the ends; they are its last."""
        return ENDS if self.domain == "slopes" else 0

    def transform(self) -> Tensor:
        """T, float64 (1 + G, M), that of the basis, where slopes stay what they are; not to be changed in place."""
        return with_ends(self.basis.transform()) if self.ends else self.basis.transform()

    def line(self) -> Tensor:
        """Weights, float64 (M,), of the function that stands for x, slopes of 1 included."""
        line = self.basis.line()
        return self.ended(line, line.new_ones(ENDS))

    def interpolate(self, f: Callable[[Tensor], Tensor]) -> Tensor:
        """Weights, float64 (M,), of the function that meets f at the nodes, with f's own slopes at the ends."""
        return self.ended(self.basis.interpolate(f), slopes_of(f, self.basis.length))

    def ended(self, weights: Tensor, slopes: Tensor) -> Tensor:
        """Put slopes (2, …) behind the basis's weights (M, …) of a function, where it has some."""
        return torch.cat([weights, slopes.to(weights)]) if self.ends else weights

    @property
    def shared(self) -> bool:
        """Say whether connections share functions."""
        return self.sharing != "synapse"

    def function_count(self, channels: int) -> int:
        """Count the functions that a layer of so many input channels shares."""
        return channels if self.sharing in SHARING else int(self.sharing)

    @property
    def needs_bias(self) -> bool:
        """Say whether a neuron needs a bias because its synapses have no constants but its functions should."""
        return self.parameters == "spectral" and self.basis.has_constant

    def disturbed(self, x: Tensor) -> Tensor:
        """Apply dropout and noise, as in training."""
        if self.dropout:
            x = F.dropout(x, self.dropout)
        return x + self.noise * torch.randn_like(x) if self.noise else x

    def locate(self, x: Tensor) -> "Located":
        """Bring x to its place in the interval and evaluate the basis there, in float32 or better.

        Half-precision inputs are widened: recurrences and segments lose bits that the contraction then cannot miss.
        """
        folded = self._folded(x)
        point = DOMAINS[self.domain].point(folded, self.basis.length)
        return Located(x, folded, point, self.basis.terms(point))

    def terms(self, x: Tensor) -> list[Tensor]:
        """Evaluate φ_1 … φ_G behind the domain, each of x's shape, in float32 or better."""
        return self.terms_at(self.locate(x))

    def terms_at(self, at: "Located") -> list[Tensor]:
        """Give φ_1 … φ_G behind the domain."""
        if self.ends:
            return [*at.terms, *end_terms(at.folded - at.point)]
        if self.domain != "linear":
            return at.terms
        return _continue_tangents(at.terms, self.basis.end_slopes, at.folded - at.point)

    def pullback(self, at: "Located", grads: list[Tensor]) -> Tensor:
        """Give Σ_g grad_g dφ_g/dx."""
        if not grads:
            return torch.zeros_like(at.point)
        inside, beyond = grads[: len(at.terms)], grads[len(at.terms) :]
        total = self.basis.pullback(at.point, at.terms, inside) if inside else torch.zeros_like(at.point)
        slope = DOMAINS[self.domain].slope(at.folded, at.point, self.basis.length)
        total = total if slope is None else total * slope
        total = total + end_pullback(at.folded - at.point, beyond) if beyond else total
        return total if self.periodicity is None else total * mirror_slope(at.x, self.periodicity).to(total.dtype)

    def live(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give what of a piecewise basis is live at x: indices of weights, and there b_j and db_j/dx, (…, n) each.

        The weights of slopes beyond the ends are always live: (…, n + 2).
        """
        assert isinstance(self.basis, Piecewise)
        folded = self._folded(x)
        domain, length = DOMAINS[self.domain], self.basis.length
        point = domain.point(folded, length)
        index, values, slopes = self.basis.live(point)
        if self.domain == "linear":
            values = values + slopes * (folded - point).unsqueeze(-1)
        factor = domain.slope(folded, point, length)
        slopes = slopes if factor is None else slopes * factor.unsqueeze(-1)
        if self.ends:
            parts = zip((index, values, slopes), live_ends(folded - point, self.basis.weights), strict=True)
            index, values, slopes = (torch.cat(pair, -1) for pair in parts)
        if self.periodicity is not None:
            slopes = slopes * mirror_slope(x, self.periodicity).unsqueeze(-1)
        return index, values, slopes

    def _folded(self, x: Tensor) -> Tensor:
        x = x.to(torch.promote_types(x.dtype, torch.float32))
        return x if self.periodicity is None else mirror(x, self.periodicity)

    def functions(self, x: Tensor) -> Tensor:
        """Evaluate b_1 … b_M behind the domain: (M, *x.shape)."""
        terms = self.terms(x)
        reduced = torch.stack([torch.ones_like(x, dtype=x.dtype), *(term.to(x.dtype) for term in terms)])
        return torch.einsum("gm,g...->m...", self.transform().to(x), reduced)


class Located(NamedTuple):
    """An input x, the same folded by `periodicity`, the point that `domain` makes of it, the basis's terms there."""

    x: Tensor
    folded: Tensor
    point: Tensor
    terms: list[Tensor]


def _continue_tangents(terms: list[Tensor], slopes: Sequence[tuple[float, float]], beyond: Tensor) -> list[Tensor]:
    """Add slope · beyond on each side: beyond is negative on the left of the interval, positive on its right, else 0.

    A slope of 0 adds nothing, not even 0 · inf.
    """
    parts: dict[str, Tensor] = {}  # made when the first term needs them

    def part(name: str, make: Callable[[], Tensor]) -> Tensor:
        if name not in parts:
            parts[name] = make()
        return parts[name]

    def continued(value: Tensor, left: float, right: float) -> Tensor:
        if left == right:
            return value.add(beyond, alpha=left) if left else value
        if left == -right:
            return value.add(part("size", beyond.abs), alpha=right)
        if left:
            value = value.add(part("left", lambda: beyond.clamp(max=0)), alpha=left)
        return value.add(part("right", lambda: beyond.clamp(min=0)), alpha=right) if right else value

    return [continued(value, *pair) for value, pair in zip(terms, slopes, strict=True)]


def require_name(option: str, value: Any, names: Collection[str]) -> None:
    """Raise ValueError for a value that is none of the names."""
    if value not in names:
        raise ValueError(f"{option}={value!r}: expected one of {', '.join(names)}")


FIELDS = tuple(f.name for f in fields(Synapse) if f.name not in ("basis", "neuron"))
"""What a layer type's name leaves open of its synapse beside the basis."""
SIZES = {"n": "n", "segments": "segments", "scale": "length"}
"""What can be said of its basis, by the names that bases have for it."""
OPTIONS = (*SIZES, *FIELDS)
"""What can be said of a layer type beside its name."""
