"""What the program writes on a terminal."""

import os
import re
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path

from .errors import Interrupted

PROGRAM = "high-order-nets"


@contextmanager
def tolerant() -> Iterator[None]:
    """Have both streams replace what their encoding cannot write: a run must not end at a box-drawing character.

    Those of the processes that it starts too: a launcher's, ddp's, a search's. All is left as it was found.
    """
    key, streams = "PYTHONIOENCODING", [each for each in (sys.stdout, sys.stderr) if isinstance(each, TextIOWrapper)]
    variable, errors = os.environ.get(key), [stream.errors for stream in streams]
    os.environ[key] = f"{getattr(sys.stdout, 'encoding', None) or 'utf-8'}:replace"
    for stream in streams:
        stream.reconfigure(errors="replace")
    try:
        yield
    finally:
        for stream, before in zip(streams, errors, strict=True):
            if not stream.closed:
                stream.reconfigure(errors=before)
        if variable is None:
            os.environ.pop(key, None)
        else:
            os.environ[key] = variable


def fail(message: str, status: int) -> int:
    """Write why the program ends, in one line, and return its exit status."""
    note(message)
    return status


def note(message: str) -> None:
    """Write one line to the error stream."""
    sys.stderr.write(f"{PROGRAM}: {printable(' '.join(message.split()))}\n")


def show(text: str) -> None:
    """Write a text to the output, its lines as they are."""
    from rich.console import Console  # noqa: PLC0415 - not for completion

    Console(soft_wrap=True, highlight=False, markup=False, emoji=False).print(printable(text))


def printable(text: str) -> str:
    """Take out what a terminal would obey: names come from files, and those may come from strangers."""
    return re.sub(r"[^\S\n ]|[\x00-\x09\x0b-\x1f\x7f-\x9f]", "�", text)


@contextmanager
def told_how_to_go_on(command: str, folder: Path) -> Iterator[None]:
    """Have a stop, by a signal or by Ctrl-C where nothing handles it, name the whole line that goes on."""
    try:
        yield
    except (Interrupted, KeyboardInterrupt) as error:
        stop = error if isinstance(error, Interrupted) else Interrupted(signal.SIGINT)
        stop.command = going_on(command, folder)
        raise stop from error


def going_on(command: str, folder: Path) -> str:
    """Return the line that goes on with what a command has left in a folder, ready to be typed."""
    words: Sequence[str] = shlex.split(command)
    return shlex.join([*(word for word in words if not word.startswith("run_dir=")), f"run_dir={folder}"])
