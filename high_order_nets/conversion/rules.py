"""Which layer gets which layer type."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..basis.synapse import OPTIONS
from ..errors import UserError, nearest
from ..layers import HighOrder, LayerType, Synapse, make_synapse
from ..layers.keywords import check_keywords
from ..layers.layer_type import changed, refuse_options, require_sizes
from .patterns import check_pattern, matches

DEFAULTS = {"scale": 4.0, "domain": "tanh", "parameters": "spectral"}
"""The synapse options that win in training (results/cifar100_cpu.md); the layers themselves default to the seed's."""
KNOWN = ("layer_type", *OPTIONS)
"""The options of a rule."""
OTHERWISE = f"; its options are {', '.join(KNOWN)}"
Options = Mapping[str, Any]
Kind = str | Synapse | LayerType | None


@dataclass(frozen=True)
class Rules:
    """Options by pattern of layers' names, and what makes a layer type of those of all patterns that match a layer.

    Of one option the last pattern that names it counts. `make` raises UserError for options that do not go together.
    """

    patterns: Mapping[str, Options]
    make: Callable[[Options], LayerType | None]

    @property
    def main(self) -> LayerType | None:
        """The layer type of layers that no pattern matches; None for one that stays."""
        return self.make({})

    def types(self, names: Sequence[str]) -> dict[str, LayerType | None]:
        """Give the layer type of each layer; refuse patterns that match none of them."""
        for pattern in self.patterns:
            check_pattern("rules", pattern, names)
        return {name: self._type(name, names) for name in names}

    def _type(self, name: str, names: Sequence[str]) -> LayerType | None:
        options: dict[str, Any] = {}
        for pattern, own in self.patterns.items():
            options |= own if matches(pattern, name, names) else {}
        try:
            return self.make(options)
        except UserError as error:
            raise UserError(f"{f'rules of {name}: ' if options else ''}{error}") from error


def typed(
    owner: Callable[..., Any], layer_type: Kind, options: dict[str, Any], patterns: Mapping[str, Options]
) -> Rules:
    """Make the rules of the words that `owner` was called with. Raises UserError for an option that there is not."""
    try:
        check_keywords(owner, options, OPTIONS)
    except TypeError as error:
        raise UserError(str(error)) from error
    for pattern, own in patterns.items():
        if not isinstance(own, Mapping):
            raise UserError(f"rules={pattern}: expected options, such as {{'n': 5}}")
        for key in own:
            if key not in KNOWN:
                raise UserError(f"rules={pattern}: unknown option {key}{nearest(key, KNOWN, OTHERWISE)}")
    return Rules(patterns, partial(_made, layer_type, options))


def _made(layer_type: Kind, options: dict[str, Any], rule: Options) -> LayerType | None:
    """Make the layer type of convert's options, with those of rules over them; None for the ordinary layer."""
    own = dict(rule)
    kind = own.pop("layer_type", layer_type)
    try:
        if isinstance(kind, Synapse | LayerType):
            refuse_options(kind, options if kind is layer_type else {})
            return _made_otherwise(kind, own)
        standard = kind in ("standard", None)
        aligned = {"align": "layer"} if options.get("scale") == "auto" else {}  # a rule may name another scale
        synapse = make_synapse("polynomial" if standard else str(kind), **(DEFAULTS | aligned | options | own))
        if standard:
            return None
        require_sizes(synapse.basis, own)
        return HighOrder(synapse)
    except (ValueError, TypeError) as error:
        raise UserError(str(error)) from error


def _made_otherwise(kind: Synapse | LayerType, own: dict[str, Any]) -> LayerType:
    """Give a layer type that is there other options; one without functions on its connections takes none."""
    synapse = kind.synapse if isinstance(kind, HighOrder) else kind
    if isinstance(synapse, Synapse):
        return HighOrder(changed(synapse, own))
    refuse_options(kind, own)
    return synapse
