"""The errors that end in one clear line instead of a traceback."""

import json
import re
import signal
from collections.abc import Collection
from difflib import get_close_matches
from typing import Any

SHORT = 12
"""Names that are listed where none of them is near."""
_NOTE = "details: "


class UserError(Exception):
    """Something the user asked for cannot be done: the message names the value, the rule and the fix."""


class Diverged(Exception):
    """Training met a number that is not finite: the message says at which step, `details` what was found, as JSON."""

    def __init__(self, message: str, details: dict[str, Any] | None = None):
        super().__init__(message)
        self.details = details or {}

    def note_details(self) -> None:
        """Put the details into the traceback's text, all that comes back from a process: see `from_traceback`."""
        self.add_note(_NOTE + json.dumps(self.details))


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


def from_traceback(text: str) -> "UserError | Diverged | None":
    """Return the error that another process's traceback ends in, with its details; None where it is of another kind."""
    found = re.search(rf"^{__name__}\.(Diverged|UserError): (.*)", text, re.MULTILINE)
    if found is None:
        return None
    if found[1] == "UserError":
        return UserError(found[2])
    note = re.search(rf"^{_NOTE}(.*)$", text, re.MULTILINE)
    return Diverged(found[2], json.loads(note[1]) if note else None)


def show(value: Any) -> str:
    """Return a value as it is written in YAML, on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{show(key)}: {show(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(show, value))}]"
    written = str(value).lower() if isinstance(value, bool) else "null" if value is None else str(value)
    return " ".join(written.split())


def nearest(name: str, names: Collection[str], otherwise: str = "") -> str:
    """Return '; nearest valid name: X' for the X of `names` most like `name`, in the same group if it has any.

    Where none is like it, return `otherwise`: a name that merely comes first would only confuse.
    """
    group = name.rpartition(".")[0]
    beside = [other for other in names if other.rpartition(".")[0] == group]
    choices = beside or list(names)
    word = [other for other in choices if name in other.split("_")]  # input_dropout is nearer to dropout than root
    found = word or get_close_matches(name, choices, n=1, cutoff=0.6)
    found = found or [other for other in choices if _begins(other, name)]
    return f"; nearest valid name: {found[0]}" if found else otherwise


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


def _begins(other: str, name: str) -> bool:
    return len(name) > 1 and other.startswith(name)
