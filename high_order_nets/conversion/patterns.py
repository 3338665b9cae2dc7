"""Words and patterns that mean layers of a network, as `skip` and `rules` take them."""

from collections.abc import Sequence
from difflib import get_close_matches
from fnmatch import fnmatch

from torch import nn

from ..errors import UserError
from ..layers.layer_type import LAYERS


def layer_names(module: nn.Module) -> list[str]:
    """Name the layers that a layer type can replace, in the network's order."""
    return [name for name, m in module.named_modules() if isinstance(m, LAYERS)]


def matches(pattern: str, name: str, names: Sequence[str]) -> bool:
    """Say whether a word or a pattern means this layer among all layers' names."""
    words = {"stem": names[:1], "head": names[-1:], "downsample": [n for n in names if "downsample" in n.split(".")]}
    return name in words.get(pattern, []) or fnmatch(name, pattern) or name.startswith(f"{pattern}.")


def check_pattern(option: str, pattern: str, names: Sequence[str]) -> None:
    """Refuse a pattern that matches no layer: it would silently do nothing."""
    if not any(matches(pattern, name, names) for name in names):
        parents = {name[:end] for name in names for end, letter in enumerate(name) if letter == "."}
        near = get_close_matches(pattern, ["stem", "head", "downsample", *sorted(parents), *names], 1, 0)
        raise UserError(f"{option}={pattern}: matches no layer; nearest name: {', '.join(near)}")
