"""Which layers the code of a network reads the weights of by itself: such layers must stay what they are."""

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property, lru_cache, partialmethod
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

WEIGHTS = ("weight", "bias")
STATISTICS = (*WEIGHTS, "eps", "running_mean", "running_var")
"""What a norm has, and its successor may not."""
INDIRECT = ("parameters", "named_parameters", "state_dict", "_parameters")
"""Ways to all weights of a child; they count in what the forward pass calls, elsewhere they only count or save."""
STARTS = ("__init__", "__repr__", "extra_repr", "_load_from_state_dict", "__setstate__")
STARTING = {"init", "initialise", "initialize", "reset", "load"}
"""Words of the names of methods that draw or load weights; no part of a forward pass unless it calls them."""
HARMLESS = ("device", "dtype", "requires_grad", "is_cuda")
"""What may be asked of a weight: a high-order layer's answer is the same."""
FOREIGN = {"torch", "numpy", "lightning", "lightning_fabric", "pytorch_lightning"}
FOREIGN |= {*sys.stdlib_module_names} - {"__main__", "builtins"}  # which are the user's own where code is typed
"""Packages whose own code is known to leave a stranger's weights alone, torch.nn's classes aside."""
CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


class Reading(NamedTuple):
    """A method that reads an attribute of the child of this name; None: of one that cannot be told."""

    method: str
    child: str | None
    what: str


def reader_of(net: nn.Module, name: str, asked: tuple[str, ...] = WEIGHTS) -> str | None:
    """Say which owner of the layer called `name` reads one of these of it, outside the layer; None where none does."""
    parts = name.split(".") if name else []
    for depth in range(len(parts)):
        owner = net.get_submodule(".".join(parts[:depth]))
        path = parts[depth:]
        for reading in (*readings(type(owner), asked), *_attached(owner, asked)):
            if reading.child is None or reading.child in path:
                return f"{type(owner).__name__}.{reading.method} reads its {reading.what}"
        if library := _library_class(type(owner)):
            return f"part of {library.__name__}, which reads the weights of its parts"
    return None


def _library_class(cls: type[nn.Module]) -> type[nn.Module] | None:
    """Give the class of torch.nn that this one is, or derives from, and whose ways with its parts are not known.

    A transformer's layers are known: the fast path that reads their weights can be turned off.
    """
    known = (nn.Module, *CONTAINERS, nn.Transformer, nn.TransformerEncoder, nn.TransformerDecoder)
    known += (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)
    if issubclass(cls, _NormBase | nn.GroupNorm | nn.LayerNorm):  # parts are of who derives from it
        return None
    return next((c for c in cls.__mro__ if c.__module__.startswith("torch.nn.") and c not in known), None)


@lru_cache(maxsize=1024)
def readings(cls: type[nn.Module], asked: tuple[str, ...] = WEIGHTS) -> tuple[Reading, ...]:
    """List what the methods of a class and of its bases read of others, with the functions that they call."""
    methods: dict[str, list[FunctionType]] = {}
    for base in cls.__mro__:
        if not _foreign(base):
            for name, member in vars(base).items():
                if function := _function(member):
                    methods.setdefault(name, []).append(function)
    called = _reachable(methods)
    found = []
    for name, functions in methods.items():
        if name in called or not (name in STARTS or STARTING & set(name.split("_"))):
            wanted = (*asked, *INDIRECT) if name in called else asked
            found += [Reading(name, *read) for f in functions for read in _reads(f, wanted, set())]
    return tuple(dict.fromkeys(found))


def _attached(owner: nn.Module, asked: tuple[str, ...]) -> Iterator[Reading]:
    """List what hooks of a module, and methods given to this one module alone, read."""
    attached = [(key, value) for key, value in vars(owner).items() if isinstance(value, FunctionType | MethodType)]
    for key, value in vars(owner).items():
        if key.endswith("_hooks") and isinstance(value, dict):
            attached += [(key.strip("_"), hook) for hook in value.values()]
    for name, member in attached:
        function = _function(member)
        if function and not _foreign(function):
            yield from (Reading(name, *read) for read in _reads(function, (*asked, *INDIRECT), set()))


def _foreign(defined: type | FunctionType) -> bool:
    return (defined.__module__ or "").split(".")[0] in FOREIGN


def _function(member: Any) -> FunctionType | None:
    """Give the function behind a method, a property or what wraps them."""
    if isinstance(member, property):
        member = member.fget
    elif isinstance(member, cached_property | partialmethod):
        member = member.func
    elif isinstance(member, staticmethod | classmethod | MethodType):
        member = member.__func__
    member = inspect.unwrap(member) if callable(member) and hasattr(member, "__wrapped__") else member
    return member if isinstance(member, FunctionType) else None


def _reachable(methods: dict[str, list[FunctionType]]) -> set[str]:
    """Name the methods that the forward pass calls, or calls that call them."""
    found, left = set(), ["forward", "__call__"]
    while left:
        name = left.pop()
        if name in methods and name not in found:
            found.add(name)
            left += [called for function in methods[name] for called in _names(function.__code__)]
    return found


def _reads(function: FunctionType, asked: tuple[str, ...], seen: set, free: bool = False) -> Iterator[tuple]:
    """List (child, what) that a function and all functions it calls read; a free one has no `self`."""
    if function in seen:
        return
    seen.add(function)
    yield from _own_reads(function, asked, free)
    for inner in filter(None, map(_function, closed_over(function))):
        yield from _reads(inner, asked, seen, free)
    for called in _global_functions(function):
        if not _foreign(called):
            yield from _reads(called, asked, seen, free=True)


def closed_over(function: FunctionType) -> list[Any]:
    """Give what a function took from where it was defined."""
    found = []
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # not filled yet
            found.append(cell.cell_contents)
    return found


def _global_functions(function: FunctionType) -> Iterator[FunctionType]:
    """Give the functions that a function names: its module's own, imported ones, and those of imported modules."""
    names, scope = _names(function.__code__), function.__globals__
    found = [scope[name] for name in names if name in scope]
    modules = [m for m in found if isinstance(m, ModuleType) and m.__name__.split(".")[0] not in FOREIGN]
    found += [vars(module)[name] for module in modules for name in names if name in vars(module)]
    yield from filter(None, map(_function, found))


def _own_reads(function: FunctionType, asked: tuple[str, ...], free: bool) -> Iterator[tuple[str | None, str]]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):  # typed into a prompt: its code tells names, but not whose
        yield from ((None, name) for name in asked if name not in INDIRECT and name in _names(function.__code__))
        return
    own = None if free else next(iter(function.__code__.co_varnames[: function.__code__.co_argcount]), None)
    harmless = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in HARMLESS}
    for node in ast.walk(tree):
        if id(node) not in harmless:
            for owner, what in _read(node, asked):
                if isinstance(owner, str):
                    yield owner, what
                elif not (isinstance(owner, ast.Name) and owner.id == own):
                    yield _child(owner), what


def _read(node: ast.AST, asked: tuple[str, ...]) -> Iterator[tuple[ast.expr | str, str]]:
    """Give x and weight of x.weight, getattr(x, "weight"), functional_call(x, …) or the text "x.weight"."""
    if isinstance(node, ast.Attribute) and node.attr in asked and isinstance(node.ctx, ast.Load):
        yield node.value, "parameters" if node.attr in INDIRECT else node.attr
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value:
        path, _, last = node.value.rpartition(".")
        if path and last in asked:
            yield path.rpartition(".")[2], last
    elif isinstance(node, ast.Call) and node.args:
        called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        name = node.args[1] if len(node.args) > 1 else None
        if called == "functional_call":
            yield node.args[0], "parameters"
        elif called == "getattr" and name and (not isinstance(name, ast.Constant) or name.value in asked):
            yield node.args[0], str(name.value) if isinstance(name, ast.Constant) else "attributes"


def _child(owner: ast.expr) -> str | None:
    """Name the child that an expression such as self.block.fc or self.layers[0] stands for."""
    while isinstance(owner, ast.Subscript):
        owner = owner.value
    return owner.attr if isinstance(owner, ast.Attribute) else None


def _names(code: CodeType) -> set[str]:
    inner = (each for each in code.co_consts if isinstance(each, CodeType))
    return {*code.co_names, *(each for each in code.co_consts if isinstance(each, str))}.union(*map(_names, inner))
