"""What `layer_type` stands for, and the way from a name to its synapse."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, ClassVar

from torch import nn

from ..basis import Basis, Line
from ..basis.synapse import OPTIONS, Synapse, require_name
from ..names import automatic_length, layer_name
from .keywords import check_keywords

LAYERS = (
    *(nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d),
    *(nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
)
"""The ordinary layers, which a layer type replaces: a weight on each connection."""


class LayerType(ABC):
    """What `layer_type` stands for: how an ordinary layer, one of LAYERS, is replaced."""

    bends: ClassVar[bool] = False
    """Its functions bend by themselves: activation=auto takes the activations between its layers out."""

    @abstractmethod
    def replace(self, layer: nn.Module) -> nn.Module:
        """Make what stands for the layer: fresh weights on its device (meta too) and of its dtype."""

    def unsuited(self, layer: nn.Module) -> str | None:
        """Say why this layer must stay; None where it can be replaced."""
        del layer
        return None


def families() -> tuple[str, ...]:
    """Name the layer types without their dimensions; `*_prod` and `product` multiply at the neuron, the others add."""
    return (*Basis.registry, *(f"{name}_prod" for name in Basis.registry), "product")


def make_synapse(layer_type: str, **options: Any) -> Synapse:
    """Build a synapse from a layer type's name (`polynomial`, `polynomial2d`, `polynomial_prod`, `product`, …).

    The options are n, segments (None is 1) and scale of the basis, as far as it has them, and the fields of Synapse.
    scale="auto" is a length in standard deviations of a layer's input, for which align is layer unless it is given.
    Raises ValueError for an unknown name and TypeError for an unknown option.
    """
    check_keywords(make_synapse, options, OPTIONS)
    name = layer_name(layer_type)
    require_name("layer_type", name.family, families())
    cls = Line if name.family == "product" else Basis.registry[name.basis]
    basis_options = {
        "n": options.pop("n", 3),
        "segments": 1 if options.get("segments") is None else options["segments"],
    }
    options.pop("segments", None)
    scale = options.pop("scale", 2.0)
    known = {field.name for field in fields(cls)}  # type: ignore[arg-type]
    basis, options = scaled(cls(**{k: v for k, v in basis_options.items() if k in known}), scale, options)
    return replace(Synapse(basis, neuron="product" if name.product else "sum"), **options)


def scaled(basis: Basis, scale: float | str, options: dict[str, Any]) -> tuple[Basis, dict[str, Any]]:
    """Give a basis the length `scale`, and the options of its synapse: with auto align is layer unless it is given."""
    if scale == "auto":
        scale = automatic_length(getattr(basis, "n", None), getattr(basis, "segments", None))
        options = {"align": "layer"} | options
    return replace(basis, length=scale), options  # type: ignore[type-var]


def as_synapse(synapse: Synapse | str, options: dict[str, Any], owner: Callable[..., Any] = make_synapse) -> Synapse:
    """Take a Synapse as it is, or make one of a layer type's name and options (TypeError beside a Synapse).

    An option that there is not is refused in the name of its `owner`, the class or function that was called.
    """
    check_keywords(owner, options, OPTIONS)
    if isinstance(synapse, str):
        return make_synapse(synapse, **options)
    refuse_options(synapse, options)
    return synapse


def refuse_options(given: Synapse | LayerType, options: dict[str, Any]) -> None:
    """Raise TypeError for options beside what has its own."""
    if options:
        kind = type(given).__name__
        raise TypeError(f"{', '.join(options)}: options belong to a layer type's name; a {kind} has its own")
