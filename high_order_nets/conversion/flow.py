"""Where the outputs of activations go: which layers could take one over into their functions."""

import operator
from collections.abc import Callable, Collection, Iterator, Mapping
from copy import deepcopy
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.fx import Node, Tracer

from ..layers import HighOrderLayer

MOVING = {nn.Identity, nn.Flatten, nn.Unflatten, nn.PixelShuffle, nn.PixelUnshuffle, nn.ChannelShuffle}
"""Modules that move numbers and change none, so that an activation may stand in front of them or behind."""
DROPPING = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
"""Those that change none in evaluation."""
POOLING = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d)
"""Those that choose the largest number, as they would in front of an activation that never falls."""
RISING = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.SELU, nn.CELU, nn.Hardtanh, nn.Softplus, nn.Tanh)
"""Activations that never fall."""
FUNCTIONS: set[Any] = {torch.flatten, torch.cat, torch.reshape, torch.permute, torch.transpose, torch.squeeze}
FUNCTIONS |= {torch.unsqueeze, torch.chunk, torch.split, torch.movedim, operator.getitem, F.dropout}
METHODS = {"flatten", "view", "reshape", "permute", "transpose", "contiguous", "squeeze", "unsqueeze", "movedim"}
METHODS |= {"chunk", "split", "unflatten"}
"""What does the same without a module, by a function or a method."""
SIZES = {"size", "dim"}
"""Methods that only look at a shape."""


class Flow:
    """The calls of a network's modules, as a graph; `unknown` says why there is none where its forward is not followed.

    A layer could take an activation over where all that it gets comes from such activations, moved, pooled or joined at
    most: `before`. An activation may go where all of its outputs get to such layers: `stays`.
    """

    def __init__(self, net: nn.Module):
        self._calls: dict[str, list[Node]] = {}
        self._nodes: list[Node] = []
        self.unknown: str | None = None
        copy = deepcopy(net, {id(t): t for t in (*net.parameters(), *net.buffers())})  # its forward may leave traces
        self._modules = dict(copy.named_modules())
        try:
            self._nodes = list(_Tracer().trace(copy.eval()).nodes)
        except Exception as error:  # whatever a stranger's forward raises of a value that is none
            self.unknown = f"its forward cannot be followed: {type(error).__name__}"
        for node in self._nodes:
            if node.op == "call_module":
                self._calls.setdefault(str(node.target), []).append(node)

    def before(self, layer: str, activations: Mapping[str, nn.Module]) -> nn.Module | None:
        """Give that of the activations, by name, that all inputs of a layer come from; None where there is none."""
        found: list[nn.Module] = []
        for call in self._calls.get(layer, ()):
            sources = self._sources(call, activations)
            if not sources:
                return None
            found += sources
        return found[0] if found and all(_alike(found[0], other) for other in found) else None

    def stays(
        self, activations: Mapping[str, nn.Module], layers: list[str], holds: Callable[[str, nn.Module], bool]
    ) -> dict[str, str]:
        """Say which activations no functions take over, and why; `holds` tells what those of a layer can be."""
        reasons: dict[str, str] = {}
        while True:
            left = {name: module for name, module in activations.items() if name not in reasons}
            taken = {layer: self.before(layer, left) for layer in layers}
            taking = {layer for layer, module in taken.items() if module is not None and holds(layer, module)}
            found = {name: why for name in left if (why := self.lost(name, taking, layers))}
            if not found:
                return reasons
            reasons |= found

    def lost(self, activation: str, taking: set[str], layers: Collection[str]) -> str | None:
        """Say what gets an activation's output beside layers that take it over; None where nothing does."""
        if self.unknown:
            return self.unknown
        calls = self._calls.get(activation, [])
        if not calls:
            return "never called"
        for call in calls:
            if getattr(self._modules[activation], "inplace", False) and len(_inputs(call)[0].users) > 1:
                return "what it changes in place is used elsewhere too"
            for end in self._ends(call):
                if end.op == "call_module" and end.target in layers and end.target not in taking:
                    return "the functions behind it cannot take it over"
                if end.op != "call_module" or end.target not in taking:
                    return f"in front of {self._named(end)}"
        return None

    def _sources(self, node: Node, activations: Mapping[str, nn.Module]) -> list[nn.Module]:
        """Give the activations that what a node gets comes from; none where some of it comes from elsewhere."""
        found: list[nn.Module] = []
        for each in _inputs(node):
            if each.op == "call_module" and each.target in activations:
                sources = [a for a in (activations[str(each.target)],) if all(p.numel() == 1 for p in a.parameters())]
            else:
                sources = self._sources(each, activations) if self._passes(each) else []
                if self._pools(each) and not all(isinstance(source, RISING) for source in sources):
                    sources = []
            if not sources:
                return []
            found += sources
        return found

    def _ends(self, node: Node) -> Iterator[Node]:
        """Find where a node's output gets to, past what only moves it."""
        for user in node.users:
            if self._passes(user):
                yield from self._ends(user)
            elif not _looks(user):
                yield user

    def _passes(self, node: Node) -> bool:
        if node.op == "call_module":
            module = self._modules[str(node.target)]
            return type(module) in MOVING or isinstance(module, DROPPING) or self._pools(node)
        return node.target in (FUNCTIONS if node.op == "call_function" else METHODS if node.op == "call_method" else ())

    def _pools(self, node: Node) -> bool:
        return node.op == "call_module" and isinstance(self._modules[str(node.target)], POOLING)

    def _named(self, node: Node) -> str:
        if node.op == "call_module":
            return type(self._modules[str(node.target)]).__name__
        return "the output" if node.op == "output" else str(getattr(node.target, "__name__", node.target))


class _Tracer(Tracer):
    """Follow a forward pass down to what has no modules in it."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return not m._modules or isinstance(m, HighOrderLayer) or super().is_leaf_module(m, module_qualified_name)


def _inputs(node: Node) -> list[Node]:
    """Give what a node works on: its first argument, or all that this lists."""
    first = node.args[0] if node.args else node.kwargs.get("input", node.kwargs.get("tensors"))
    return [each for each in (first if isinstance(first, list | tuple) else [first]) if isinstance(each, Node)]


def _looks(node: Node) -> bool:
    """Say whether a node only looks at a shape."""
    shape = node.op == "call_function" and node.target is getattr and node.args[1] == "shape"
    return bool(shape) or (node.op == "call_method" and node.target in SIZES)


def _alike(one: nn.Module, other: nn.Module) -> bool:
    """Say whether two activations are the same function."""
    if one is other or type(one) is not type(other) or one._parameters:
        return one is other
    own, others = ({k: v for k, v in vars(each).items() if k[0] != "_"} for each in (one, other))
    return all(own[key] == others[key] for key in own if key not in ("inplace", "training"))
