"""What a conversion did, and what it left and why."""

from collections import Counter
from dataclasses import dataclass
from math import isnan
from typing import Generic, Protocol, TypeVar

from ..layers.layer_type import LAYERS


@dataclass(frozen=True)
class Swap:
    """One module that was replaced; `functions` says what stands on the connections of a high-order layer."""

    name: str
    old: str
    new: str
    frozen: bool = False
    functions: str = ""
    kept: bool = False
    """Whether it has the weights of the one before."""

    @property
    def layer(self) -> bool:
        """Say whether it was a layer, and no norm or activation."""
        return self.old in [layer.__name__ for layer in LAYERS]

    @property
    def fresh(self) -> bool:
        """Say whether its weights are new: those of a layer are, those of a norm are at their start anyway."""
        return self.layer and not self.kept

    def written(self, functions: bool) -> str:
        """Say what became of what, with its functions or without."""
        return f"{self.old} → {self.new}{f' ({self.functions})' if functions and self.functions else ''}"


@dataclass(frozen=True)
class Kept:
    """One module that was left as it is, and why."""

    name: str
    kind: str
    reason: str


@dataclass(frozen=True)
class Likeness:
    """How far a layer that keeps its weights is off at first: rms of the difference, relative to that of the output.

    Measured on normal inputs whose deviation is a quarter of the interval of its functions, by itself; nan on the meta
    device. `obstacle` says why it cannot be equal; "" where it is, but for rounding.
    """

    name: str
    error: float
    obstacle: str = ""


class Inexact(Protocol):
    """What was done to a layer, with the largest error of its functions relative to their largest value."""

    @property
    def relative(self) -> float:
        """The error."""
        ...


Layer = TypeVar("Layer", bound=Inexact)


@dataclass(frozen=True, repr=False)
class Errors(Generic[Layer]):
    """What was done to all layers, and how exactly; the text has a line for each."""

    layers: tuple[Layer, ...]

    @property
    def relative(self) -> float:
        """The largest relative error."""
        return max(layer.relative for layer in self.layers)

    def __repr__(self) -> str:
        """The text: what a notebook shows of its last value."""
        return str(self)

    def __str__(self) -> str:
        return "\n".join(map(str, self.layers))


@dataclass(frozen=True, repr=False)
class Report:
    """Everything a conversion swapped and kept, with the parameter counts.

    `parameters_reduced` counts, of all constants of a neuron's synapses, only one: what the functions need. Where
    weights are kept, `likeness` says how alike each layer is, and `lost` what was taken out and nothing took over.
    """

    swapped: tuple[Swap, ...]
    kept: tuple[Kept, ...]
    parameters_before: int
    parameters_after: int
    parameters_reduced: int
    divisor: float = 1.0
    added: str | None = None
    likeness: tuple[Likeness, ...] = ()
    lost: tuple[Kept, ...] = ()

    @property
    def equal(self) -> bool:
        """Say whether the network gives what it gave, but for rounding."""
        alike = not any(each.obstacle or isnan(each.error) for each in self.likeness)
        return alike and not self.lost and self.divisor == 1 and all(swap.kept for swap in self.swapped)

    @property
    def refusals(self) -> str:
        """Say in one line what was kept and why."""
        kept = Counter(f"{kept.kind} ({kept.reason})" for kept in self.kept)
        return "Kept: " + ", ".join(f"{count} × {what}" for what, count in kept.items())

    def __repr__(self) -> str:
        """The text: what a notebook shows of its last value."""
        return str(self)

    def __str__(self) -> str:
        differ = len({swap.functions for swap in self.swapped if swap.functions}) > 1
        swaps = Counter(swap.written(differ) for swap in self.swapped)
        kept = Counter(f"{kept.kind} ({kept.reason})" for kept in self.kept)
        return "\n".join(
            [
                f"parameters: {self.parameters_before:,} → {self.parameters_after:,}"
                f" ({self.parameters_reduced:,} without redundant constants)",
                *([f"widths: divided by {self.divisor:.4g}; all weights are new"] if self.divisor != 1 else []),
                *(f"swapped {count} × {what}" for what, count in swaps.items()),
                *([f"added {self.added}"] if self.added else []),
                *self._weights(),
                *(f"kept {count} × {what}" for what, count in kept.items()),
            ]
        )

    def _weights(self) -> list[str]:
        layers = [swap for swap in self.swapped if swap.layer]
        frozen = sum(swap.frozen for swap in layers)
        words = f"; {frozen} of {len(layers)} are frozen, as they were" if frozen else ""
        state = "new, to be trained" if any(swap.fresh for swap in layers) else "kept"
        return [*([f"weights of swapped layers: {state}{words}"] if layers else []), *self._alike()]

    def _alike(self) -> list[str]:
        """Say how alike layers with kept weights are, and what is missing between them."""
        equal = sum(not each.obstacle for each in self.likeness)
        reasons = dict.fromkeys(each.obstacle for each in self.likeness if each.obstacle)
        found = {why: [each for each in self.likeness if each.obstacle == why] for why in reasons}
        lost = Counter(f"{lost.kind} ({lost.reason})" for lost in self.lost)
        return [
            *([f"{equal} of {len(self.likeness)} give what the ordinary ones gave"] if self.likeness else []),
            *(f"{len(those)} off by up to {max(t.error for t in those):.2%}: {why}" for why, those in found.items()),
            *(f"lost {count} × {what}" for what, count in lost.items()),
        ]
