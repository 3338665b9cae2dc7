"""The errors that end in one clear line instead of a traceback."""

import re
import signal
from collections.abc import Collection
from difflib import get_close_matches
from typing import Any


class UserError(Exception):
    """Something the user asked for cannot be done: the message names the value, the rule and the fix."""


class Diverged(Exception):
    """Training met a number that is not finite: the message says at which step, `details` what was found, as JSON."""

    NOTE = "details: "
    """Starts the note that carries the details where only a traceback's text is passed on."""

    def __init__(self, message: str, details: dict[str, Any] | None = None):
        super().__init__(message)
        self.details = details or {}


class Interrupted(SystemExit):
    """A signal asked the program to stop; `code` is the exit status that shells give it, 128 + its number.

    A SystemExit, because nothing that goes on past errors (a sweep, Hydra, a spawned process) may go on past this.
    """

    def __init__(self, signum: int):
        super().__init__(128 + signum)
        self.name = signal.Signals(signum).name
        self.command = ""
        """What is to be typed to go on."""

    def __str__(self) -> str:
        on = f"go on by: {self.command}" if self.command else "the same command with run_dir=… goes on with it"
        return f"stopped by {self.name}; what was trained is saved, {on}"


def show(value: Any) -> str:
    """Return a value as it is written in YAML, on one line."""
    written = str(value).lower() if isinstance(value, bool) else "null" if value is None else str(value)
    return " ".join(written.split())


SHORT = 12
"""Names that are listed where none of them is near."""


def nearest(name: str, names: Collection[str], otherwise: str = "") -> str:
    """Return '; nearest valid name: X' for the X of `names` most like `name`, in the same group if it has any.

    Where none is like it, return `otherwise`: a name that merely comes first would only confuse.
    """
    group = name.rpartition(".")[0]
    beside = [other for other in names if other.rpartition(".")[0] == group]
    choices = beside or list(names)
    found = get_close_matches(name, choices, n=1, cutoff=0.6) or [other for other in choices if _begins(other, name)]
    return f"; nearest valid name: {found[0]}" if found else otherwise


def _begins(other: str, name: str) -> bool:
    return len(name) > 1 and other.startswith(name)


def expected(names: Collection[str]) -> str:
    """Return '; expected one of A, B' for a list that can be read at a glance, else nothing."""
    return f"; expected one of {', '.join(names)}" if len(names) <= SHORT else ""


def twin(key: str, names: Collection[str], open_parts: Collection[str] = ()) -> str | None:
    """Return the name that the key is but for slashes and dots, `optimizer.momentum` of optimizer/momentum.

    Below the `open_parts` every name is one, with dots.
    """
    dotted = ".".join(filter(None, re.split(r"[/.]", key)))
    found = next((name for name in names if name.replace("/", ".") == dotted), None)
    return found or (dotted if dotted.startswith(tuple(f"{part}." for part in open_parts)) else None)
