"""Searches settings with optuna: `search=recipe` tries values from ranges, each trial a run in a process of its own."""

import shlex
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from typing import Any

from rich.console import Console

from .. import allow
from ..config import compose
from ..config.overrides import Arguments
from ..errors import Interrupted, UserError
from ..settings import validates
from ..terminal import told_how_to_go_on
from . import sweep
from .space import Search, read


def run(arguments: Arguments, command: str) -> int:
    """Search as the arguments say and show all trials; return the exit status, 1 if a trial failed.

    Raises UserError for a bad line, before the first trial; Interrupted, naming what goes on with `command`.
    """
    search = read(arguments)
    trials = _trials_module()
    lines = (*search.fixed, *(str(override.input_line) for override in search.ranges.values()))
    plan = compose.plan(replace(arguments, overrides=lines))
    for job in plan.jobs:
        if not validates(job):
            raise UserError(f"val_fraction={job['val_fraction']}: search scores by validation; add val_fraction=0.1")
    assert plan.sweep_dir is not None
    search = replace(search, headline=plan.jobs[0]["task"].get("headline", search.headline))
    study = trials.Study(search, plan.sweep_dir, plan.jobs[0], _trial_command(search.fixed, arguments))
    try:
        with told_how_to_go_on(command, plan.sweep_dir), _raised_on_sigterm():
            study.run()
    finally:
        sweep.report(plan.sweep_dir, search.metric, best_first=True)
        _show_best(study.best(), search)
    return 1 if study.failed else 0


def _trials_module() -> Any:
    try:
        import_module("optuna")
    except ImportError as error:
        raise UserError('search: needs optuna; install it by: pip install "high-order-nets[search]"') from error
    return import_module("high_order_nets.sweeps.study")


def _trial_command(fixed: Sequence[str], arguments: Arguments) -> list[str]:
    """Return the arguments that all trials share; where files are found and results go is told to each by itself."""
    shared = [line for line in fixed if not line.startswith(("hydra.searchpath=", "hydra.sweep.dir="))]
    flags = ["--config-dir", str(arguments.groups_dir)] if arguments.groups_dir else []
    return [*allow.flags(), "train", *flags, *shared]


def _show_best(best: tuple[int, float, Sequence[str]] | None, search: Search) -> None:
    if best is None:
        return
    number, value, values = best
    fixed = [line for line in search.fixed if not line.startswith("hydra.")]
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(f"best: trial {number}, {search.metric} {value:.4f}")
    console.print(f"again: {shlex.join(['high-order-nets', *allow.flags(), 'train', *fixed, *values])}")


@contextmanager
def _raised_on_sigterm() -> Iterator[None]:
    """End by SIGTERM as by an exception, so that no trial is left running alone."""

    def end(number: int, _: Any) -> None:
        raise Interrupted(number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
