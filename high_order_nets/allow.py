"""Whose code a config may name beside this program's: packages that a command line or a program allows, nobody else.

The allowance lives in the process that was told of it, and in those that it starts for the same work. It is read from
no file: a config or a checkpoint that asks for it asks in vain.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .errors import UserError

FLAG = "--allow"
OURS = "high_order_nets"
TOOLS = {"pip", "pkg_resources", "setuptools"}
"""Of every environment, and made to run what they are given."""
_ALLOWED: ContextVar[tuple[str, ...]] = ContextVar("allowed", default=())


def allowed() -> tuple[str, ...]:
    """Name the packages and modules that are allowed here."""
    return _ALLOWED.get()


def covers(target: Any) -> bool:
    """Return whether a dotted name lies in what is allowed, and is plain."""
    if not isinstance(target, str) or not target.startswith(tuple(f"{name}." for name in allowed())):
        return False
    return _is_plain(target)


@contextmanager
def allowing(names: Iterable[str]) -> Iterator[None]:
    """Allow these too, while the block runs. Raises UserError for a name that cannot be."""
    more = [names] if isinstance(names, str) else list(names)
    for name in more:
        if reason := refusal(name):
            raise UserError(f"{f'{FLAG} {name}'.strip()}: {reason}")
        root = name.partition(".")[0]
        if root not in sys.modules and find_spec(root) is None:
            raise UserError(f"{FLAG} {name}: no package or module of that name, neither here nor installed")
    token = _ALLOWED.set(tuple(dict.fromkeys((*allowed(), *more))))
    try:
        yield
    finally:
        _ALLOWED.reset(token)


def refusal(name: Any) -> str | None:
    """Say why a package may not be allowed, whoever asks; None where it may."""
    if not isinstance(name, str) or not _is_plain(name):
        return "expected the name of a package or a module of your own, such as mypackage"
    root = name.partition(".")[0]
    if root == OURS:
        return "is this program, which needs no leave"
    if root in sys.stdlib_module_names or root in TOOLS:
        return "is Python's own; allow what you have written, or know"
    return "is what this program is built on; allow what you have written, or know" if root in _built_on() else None


def hint(target: Any) -> str:
    """Return what to type where a target is code of one's own; nothing where it cannot be."""
    if not isinstance(target, str) or "." not in target or refusal(target):
        return ""
    return f"; where the code is yours, or you trust it, add {FLAG} {target.partition('.')[0]}"


def taken(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Part a command line, wherever the flag stands: the words without it, and the names that it allows."""
    words, names, left = [], [], iter(argv)
    for word in left:
        flag, equals, value = word.partition("=")
        if flag != FLAG:
            words.append(word)
            continue
        said = value if equals else next(left, "")
        names += said.split(",")
    return words, names


def flags() -> list[str]:
    """Return the words that allow another process the same."""
    return [word for name in allowed() for word in (FLAG, name)]


@contextmanager
def beside(folder: str) -> Iterator[None]:
    """Have modules of the folder found first, as `python -m` does."""
    if folder in sys.path:
        yield
        return
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        with suppress(ValueError):
            sys.path.remove(folder)


@dataclass(frozen=True)
class Allowance:
    """What is allowed and where it lies, as a job takes it along to another process."""

    names: tuple[str, ...]
    folder: str

    @classmethod
    def here(cls, names: Iterable[str]) -> "Allowance":
        """Take names that are looked for in the current folder, too."""
        found = tuple(names)
        return cls(found, str(Path.cwd()) if found else "")

    @contextmanager
    def granted(self) -> Iterator[None]:
        """Allow it here too."""
        if not self.names:
            yield
            return
        with beside(self.folder), allowing(self.names):
            yield


def carried(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a function that finds the same allowed wherever it is called, also in a process that was spawned."""
    return partial(_granted, Allowance.here(allowed()), function)


def _granted(allowance: Allowance, function: Callable[..., Any], *args: Any) -> Any:
    with allowance.granted():
        return function(*args)


def _is_plain(name: str) -> bool:
    return all(part.isidentifier() and not part.startswith("__") for part in name.split("."))


@cache
def _built_on() -> frozenset[str]:
    """Name the modules of all that this program needs, its extras and what these need included."""
    # Here, because completion and help must not wait for it.
    from importlib.metadata import packages_distributions  # noqa: PLC0415

    from packaging.utils import canonicalize_name  # noqa: PLC0415

    found: set[str] = set()
    left = [OURS]
    while left:
        name = canonicalize_name(left.pop())
        if name not in found:
            found.add(name)
            left += _needed_by(name)
    owners = packages_distributions().items()
    return frozenset(module for module, names in owners if not found.isdisjoint(map(canonicalize_name, names)))


def _needed_by(distribution: str) -> list[str]:
    from importlib.metadata import PackageNotFoundError, requires  # noqa: PLC0415

    from packaging.requirements import Requirement  # noqa: PLC0415

    ours = distribution == OURS.replace("_", "-")
    with suppress(PackageNotFoundError):
        found = map(Requirement, requires(distribution) or ())
        return [each.name for each in found if ours or not each.marker or each.marker.evaluate({"extra": ""})]
    return []
