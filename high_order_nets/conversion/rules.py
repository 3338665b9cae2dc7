"""Which layer gets which layer type."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..errors import UserError, nearest
from ..layers import HighOrder, LayerType, Synapse, make_synapse
from ..layers.high_order import CHOICES
from ..layers.keywords import check_keywords
from ..layers.layer_type import refuse_options
from .options import changed
from .patterns import check_pattern, matches

DEFAULTS = {"scale": 4.0, "domain": "tanh", "parameters": "spectral"}
"""The synapse options that win in training (results/cifar100_cpu.md); the layers themselves default to the seed's."""
KNOWN = ("layer_type", *CHOICES)
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
            check_pattern(f"rules={pattern}", pattern, names)
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
        check_keywords(owner, options, CHOICES)
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
    main, kind = (
        HighOrder(k) if isinstance(k, Synapse) else k for k in (layer_type, own.pop("layer_type", layer_type))
    )
    try:
        if isinstance(layer_type, Synapse | LayerType):
            refuse_options(layer_type, options)
        if isinstance(kind, LayerType):
            return _otherwise(kind, own)
        if isinstance(main, HighOrder) and kind not in ("standard", None):
            return _otherwise(main, own | {"layer_type": kind})
        return _named(kind or "standard", options, own)
    except (ValueError, TypeError) as error:
        raise UserError(str(error)) from error


def _otherwise(kind: LayerType, own: dict[str, Any]) -> LayerType:
    """Give a layer type other options; one without functions on its connections takes none."""
    if isinstance(kind, HighOrder):
        rank = own.pop("rank", kind.rank)
        return HighOrder(changed(kind.synapse, own), rank)
    refuse_options(kind, own)
    return kind


def _named(layer_type: str, options: dict[str, Any], own: dict[str, Any]) -> LayerType | None:
    """Make a layer type by its name; None for standard, whose options are looked at too."""
    aligned = {"align": "layer"} if options.get("scale") == "auto" else {}  # a rule may name another scale
    name = "polynomial" if layer_type == "standard" else layer_type
    given: dict[str, Any] = DEFAULTS | aligned | options | own
    rank = given.pop("rank", 0)
    synapse = make_synapse(name, **given)
    if layer_type == "standard":
        return None
    changed(synapse, {key: own[key] for key in ("n", "segments") if key in own})  # refuses those that it has not
    return HighOrder(synapse, rank)
