"""Words and patterns that mean layers of a network, as `skip` and `rules` take them."""

from collections.abc import Sequence
from difflib import get_close_matches
from fnmatch import fnmatch

from torch import nn

from ..errors import UserError
from ..layers import HighOrderLayer, LowRank
from ..layers.layer_type import LAYERS


def layer_names(module: nn.Module) -> list[str]:
    """Name the layers that a layer type can replace, in the network's order."""
    return [name for name, m in module.named_modules() if isinstance(m, LAYERS)]


def matches(pattern: str, name: str, names: Sequence[str]) -> bool:
    """Say whether a word or a pattern means this layer among all layers' names."""
    words = {"stem": names[:1], "head": names[-1:], "downsample": [n for n in names if "downsample" in n.split(".")]}
    return name in words.get(pattern, []) or fnmatch(name, pattern) or name.startswith(f"{pattern}.")


def parts(net: nn.Module) -> list[str]:
    """Name the layers of a network, ordinary or of a layer type, in its order; what they are made of is none."""
    found: list[str] = []
    for name, module in net.named_modules():
        if isinstance(module, (*LAYERS, HighOrderLayer, LowRank)) and not (found and name.startswith(f"{found[-1]}.")):
            found.append(name)
    return found


def meant(said: str, pattern: str, net: nn.Module) -> tuple[set[str], set[str]]:
    """Give the names of the modules and of the parameters that a word or a pattern means.

    They are those of layers, as for `skip`, with all else that has such a name: norms, embeddings, functions in front
    of a pooling; to the words belong the norms of their layers. Raises UserError for a pattern of nothing, which begins
    with what was said.
    """
    layers = parts(net)
    modules = [name for name, _ in net.named_modules() if name]
    found = {name for name in modules if matches(pattern, name, layers)} | _beside(pattern, modules, layers)
    owned = {name for name, _ in net.named_parameters() if matches(pattern, name, layers) or _owners(name) & found}
    if not owned:
        check_pattern(said, pattern, layers)
        raise UserError(f"{said}: means nothing that is trained")
    return {name for name in modules if name in found or _owners(name) & found}, owned


def _beside(pattern: str, modules: Sequence[str], layers: Sequence[str]) -> set[str]:
    """Give what belongs to the layer of a word: what follows it in the same module up to that of the next layer."""
    if pattern == "downsample":
        return {name for name in modules if pattern in name.split(".")}
    place = {"stem": 0, "head": len(layers) - 1}.get(pattern, len(layers))
    if place >= len(layers):
        return set()
    layer, following = layers[place], [*layers, modules[-1]][place + 1]
    between = set(modules[modules.index(layer) : modules.index(following)]) - _owners(following)
    return {name for name in between if _parent(name) == _parent(layer)}


def _parent(name: str) -> str:
    return name.rpartition(".")[0]


def _owners(name: str) -> set[str]:
    """Give the names of all modules that something is in."""
    return {name[:end] for end, letter in enumerate(name) if letter == "."}


def check_pattern(said: str, pattern: str, names: Sequence[str]) -> None:
    """Refuse a pattern that matches no layer: it would silently do nothing."""
    if not any(matches(pattern, name, names) for name in names):
        parents = {name[:end] for name in names for end, letter in enumerate(name) if letter == "."}
        near = get_close_matches(pattern, ["stem", "head", "downsample", *sorted(parents), *names], 1, 0)
        raise UserError(f"{said}: matches no layer; nearest name: {', '.join(near)}")
