"""Which layers a class reads the weights of by itself, read from its source: such layers must stay what they are."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType, FunctionType
from typing import NamedTuple

from torch import nn

READ = ("weight", "bias")
STARTS = ("__init__", "__repr__", "extra_repr", "_load_from_state_dict", "__setstate__")
"""Methods that are no part of a forward pass; so is every method with `init` or `reset` in its name."""
HARMLESS = ("device", "dtype", "requires_grad", "is_cuda")
"""What may be asked of a weight: a high-order layer's answer is the same."""
CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


class Reading(NamedTuple):
    """A method that reads a weight, of the child of this name; None: of one that cannot be told."""

    method: str
    child: str | None


def reader_of(net: nn.Module, name: str) -> str | None:
    """Say which owner of the layer called `name` reads its weight outside of the layer; None where none does."""
    parts = name.split(".") if name else []
    for depth in range(len(parts)):
        owner = net.get_submodule(".".join(parts[:depth]))
        path = parts[depth:]
        for reading in readings(type(owner)):
            if reading.child is None or reading.child in path:
                return f"{type(owner).__name__}.{reading.method} reads its weight"
        if library := _library_class(type(owner)):
            return f"part of {library.__name__}, which reads the weights of its parts"
    return None


def _library_class(cls: type[nn.Module]) -> type[nn.Module] | None:
    """Give the class of torch.nn that this one is, or derives from, and whose ways with its parts are not known.

    A transformer's layers are known: the fast path that reads their weights can be turned off.
    """
    known = (nn.Module, *CONTAINERS, nn.Transformer, nn.TransformerEncoder, nn.TransformerDecoder)
    known += (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)
    return next((c for c in cls.__mro__ if c.__module__.startswith("torch.nn.") and c not in known), None)


@lru_cache(maxsize=1024)
def readings(cls: type[nn.Module]) -> tuple[Reading, ...]:
    """List what the methods of a class and of its bases, torch's own aside, read of the weights of others."""
    found: list[Reading] = []
    for base in cls.__mro__:
        if base.__module__.split(".")[0] == "torch" or base is object:
            continue
        for name, member in vars(base).items():
            method = inspect.unwrap(getattr(member, "__func__", getattr(member, "fget", member)) or member)
            if isinstance(method, FunctionType) and name not in STARTS and not ("init" in name or "reset" in name):
                found += [Reading(name, child) for child in _children_read(method)]
    return tuple(dict.fromkeys(found))


def _children_read(method: FunctionType) -> Iterator[str | None]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(method)))
    except (OSError, TypeError, SyntaxError):  # typed into a prompt: its code tells names, but not whose
        if any(name in _names(method.__code__) for name in READ):
            yield None
        return
    asked = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in HARMLESS}
    for node in ast.walk(tree):
        owner = _read_from(node)
        if owner is not None and id(node) not in asked and not (isinstance(owner, ast.Name) and owner.id == "self"):
            yield _child(owner)


def _read_from(node: ast.AST) -> ast.expr | None:
    """Give x of an expression x.weight or getattr(x, "weight")."""
    if isinstance(node, ast.Attribute) and node.attr in READ and isinstance(node.ctx, ast.Load):
        return node.value
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "getattr" and node.args[1:]:
        name = node.args[1]
        if not isinstance(name, ast.Constant) or name.value in READ:
            return node.args[0]
    return None


def _child(owner: ast.expr) -> str | None:
    """Name the child that an expression such as self.block.fc or self.layers[0] stands for."""
    while isinstance(owner, ast.Subscript):
        owner = owner.value
    return owner.attr if isinstance(owner, ast.Attribute) else None


def _names(code: CodeType) -> set[str]:
    inner = (each for each in code.co_consts if isinstance(each, CodeType))
    return {*code.co_names, *(each for each in code.co_consts if isinstance(each, str))}.union(*map(_names, inner))
