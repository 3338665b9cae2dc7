"""What the layers of a fully connected network have in common, and what first, inner and last have for themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from ..basis import Fourier
from ..basis.synapse import OPTIONS
from ..conversion.options import changed as options_changed
from ..layers import Synapse
from ..layers.keywords import check_keywords

Options = Mapping[str, Any] | None
"""Options of some layers: layer_type, n, segments, scale and the fields of Synapse; None stands for no other one."""


class Bounds(NamedTuple):
    """Where the functions of a layer live, and what becomes of inputs beyond."""

    length: float
    domain: str

    def of(self, synapse: Synapse) -> Synapse:
        """Give a synapse with these bounds."""
        return replace(synapse, basis=replace(synapse.basis, length=self.length), domain=self.domain)  # type: ignore[type-var]


FIRST, INSIDE = Bounds(2.0, "linear"), Bounds(4.0, "tanh")
"""Exact on inputs in [-1, 1]; bounded behind them, where nobody knows the range (docs/points.md has the comparison)."""


def changed(synapse: Synapse, options: Options, owner: Any) -> Synapse:
    """Give the synapse with other options, but those that are None. Raises ValueError or TypeError, as Synapse does."""
    given = {key: value for key, value in (options or {}).items() if value is not None}
    check_keywords(owner, given, (*OPTIONS, "layer_type"))
    return options_changed(synapse, given)


def open_bounds(synapse: Synapse, first: bool, chosen: Sequence[str]) -> Bounds:
    """Give the bounds of a layer: as chosen (`scale`, `domain`), else what works best at its place.

    Products and mirrored inputs have bounds of their own, a Fourier series on half of its period can do without being
    periodic, and aligned inputs, of deviation 1 everywhere, reach as far in the first layer as in others.
    """
    kept = Bounds(synapse.basis.length, synapse.domain)
    if synapse.neuron == "product" or synapse.periodicity is not None:
        return kept
    best = FIRST if first else INSIDE
    wide = isinstance(synapse.basis, Fourier) or synapse.align != "none"
    length = INSIDE.length if wide else best.length
    return Bounds(
        kept.length if "scale" in chosen else length,
        kept.domain if "domain" in chosen else best.domain,
    )
