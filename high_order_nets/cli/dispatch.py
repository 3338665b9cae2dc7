"""From what was typed to a command, and from what went wrong to one line and an exit status."""

import shlex
import sys
from collections.abc import Callable, Sequence

from .. import __version__, allow
from ..errors import Diverged, Interrupted, UserError, expected, nearest
from ..terminal import PROGRAM, fail, show, tolerant
from .commands import COMMANDS, launcher, show_help


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    return _guarded(_dispatch, list(sys.argv[1:] if argv is None else argv))


def train(argv: Sequence[str] | None = None, *, comparison: Sequence[str] = (), **presets: str) -> int:
    """Run `train` from a script, with its presets (`dataset="mnist"`) unless the line says otherwise.

    Return the exit status. A preset other than the data set gives way to an experiment too. `comparison` are the grids
    of the script's own sweep (`["n=2,3", "layer_type=standard"]`), run under -m where the line sweeps nothing.
    """
    typed = list(sys.argv[1:] if argv is None else argv)
    command = shlex.join(["python", sys.argv[0], *typed])
    return _guarded(lambda argv: launcher().train(argv, presets, command, comparison), typed, "train")


@tolerant()
def _guarded(run: Callable[[list[str]], int], argv: list[str], command: str | None = None) -> int:
    """Turn the errors that users can mend into one line."""
    try:
        if {"-h", "--help"} & set(argv):
            return show_help([*([command] if command else []), *argv])
        words, names = allow.taken(argv)
        with allow.Allowance.here(names).granted():
            return run(words)
    except UserError as error:
        return fail(str(error), 2)
    except Diverged as error:
        return fail(str(error), 1)
    except Interrupted as stop:
        return fail(str(stop), int(stop.code or 0))
    except KeyboardInterrupt:
        return fail("interrupted", 130)


def _dispatch(argv: list[str]) -> int:
    if not argv:
        return show_help([])
    if argv == ["--version"]:
        show(f"{PROGRAM} {__version__}")
        return 0
    name, *rest = argv
    if name not in COMMANDS and (name.startswith("-") or "=" in name):  # flags and knobs may come first
        name = next((word for word in rest if word in COMMANDS), "")
        if not name:
            line = shlex.join([PROGRAM, "train", *argv])
            raise UserError(f"{argv[0]}: expected a command first, such as: {line}")
        rest = [word for word in argv if word is not name]
    if name not in COMMANDS:
        raise UserError(f"{name}: unknown command{nearest(name, COMMANDS, expected(COMMANDS))}")
    return COMMANDS[name].run(rest)
