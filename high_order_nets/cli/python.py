"""`train` for programs and notebooks: the words of the command line in, figures, folder and network out."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import allow as permission
from ..config import compose
from ..config.overrides import parse
from ..errors import UserError
from ..run.folder import metrics_of
from ..terminal import PROGRAM, note
from . import launch

if TYPE_CHECKING:
    from ..inference.load import Usable


@dataclass(frozen=True)
class Result:
    """What a run came to: its folder, the figures of its metrics.json and, opened when asked for, its network."""

    folder: Path
    metrics: dict[str, Any]
    allow: tuple[str, ...] = ()

    @cached_property
    def network(self) -> "Usable":
        """The trained network with its preprocessing, on the CPU and in eval mode, as `load` gives it."""
        from ..inference.load import load  # noqa: PLC0415 - torch, only where it is wanted

        return load(self.folder, allow=self.allow)


def train(*words: str, run_dir: str | Path | None = None, allow: Sequence[str] = ()) -> Result:
    """Train, test and save one network as `high-order-nets train WORDS` does: `train("n=3", "dataset=digits")`.

    The folder is `run_dir`, else a new one below outputs/; a run that has finished there is only read, one that has not
    is gone on with. `allow` names packages whose code may be used, as --allow does. Raises UserError for what the
    command line refuses, and for sweeps (`-m`) and searches, which have no one result: `runs` reads theirs; Diverged
    for a number that is not finite.
    """
    with permission.allowing(allow):
        return _train([*words] if run_dir is None else [*words, f"run_dir={run_dir}"])


def _train(typed: list[str]) -> Result:
    arguments = parse(typed, {})
    plan = compose.plan(arguments)
    if arguments.search or arguments.show or plan.sweep_dir:
        raise UserError(f"train({', '.join(map(repr, typed))}): expected one run; sweeps are for the command line")
    launch.check_started(arguments)
    for line in plan.notes:
        note(line)
    command = shlex.join([PROGRAM, *permission.flags(), "train", *typed])
    folder = launch.run_one(command, arguments, plan)
    return Result(folder, metrics_of(folder), permission.allowed())
