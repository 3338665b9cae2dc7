"""From a layer type's name to its synapse."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from ..basis import Basis, Line
from ..basis.synapse import OPTIONS, Synapse, _require_name
from ..names import layer_name
from .keywords import check_keywords


def families() -> tuple[str, ...]:
    """Name the layer types without their dimensions; `*_prod` and `product` multiply at the neuron, the others add."""
    return (*Basis.registry, *(f"{name}_prod" for name in Basis.registry), "product")


def make_synapse(layer_type: str, **options: Any) -> Synapse:
    """Build a synapse from a layer type's name (`polynomial`, `polynomial2d`, `polynomial_prod`, `product`, …).

    The options are n, segments (None is 1) and scale of the basis, as far as it has them, and the fields of Synapse.
    Raises ValueError for an unknown name and TypeError for an unknown option.
    """
    check_keywords(make_synapse, options, OPTIONS)
    name = layer_name(layer_type)
    _require_name("layer_type", name.family, families())
    cls = Line if name.family == "product" else Basis.registry[name.basis]
    basis_options = {
        "n": options.pop("n", 3),
        "segments": 1 if options.get("segments") is None else options["segments"],
        "length": options.pop("scale", 2.0),
    }
    options.pop("segments", None)
    known = {field.name for field in fields(cls)}  # type: ignore[arg-type]
    basis = cls(**{key: value for key, value in basis_options.items() if key in known})
    return replace(Synapse(basis, neuron="product" if name.product else "sum"), **options)


def as_synapse(synapse: Synapse | str, options: dict[str, Any], owner: Callable[..., Any] = make_synapse) -> Synapse:
    """Take a Synapse as it is, or make one of a layer type's name and options (TypeError beside a Synapse).

    An option that there is not is refused in the name of its `owner`, the class or function that was called.
    """
    check_keywords(owner, options, OPTIONS)
    if isinstance(synapse, str):
        return make_synapse(synapse, **options)
    if options:
        raise TypeError(f"{', '.join(options)}: options belong to a layer type's name; a Synapse has its own")
    return synapse
