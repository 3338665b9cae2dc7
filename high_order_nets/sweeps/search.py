"""Searches settings with optuna: `search=recipe` tries values from ranges, each trial a run in a process of its own."""

import shlex
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from rich.console import Console

from ..cli.terminal import told_how_to_go_on
from ..config import compose
from ..config.overrides import Arguments
from ..config.rules import Rule, whole, word
from ..errors import Interrupted, UserError, nearest
from . import sweep

RULES = {
    "trials": whole("[1, inf)"),
    "workers": whole("[1, inf)"),
    "metric": word("val_acc", "val_acc5", "val_loss"),
    "pruning": Rule("true or false", lambda value: isinstance(value, bool)),
    "ranges": Rule(
        "knobs with their ranges in text", lambda value: isinstance(value, dict) and all(map(_is_text, value.values()))
    ),
}


@dataclass(frozen=True)
class Search:
    """Hold what a file of conf/search/ and the command line ask for together.

    `fixed` and `ranges` are overrides in Hydra's words; a range has several values, by the name of its knob.
    """

    trials: int
    workers: int
    metric: str
    pruning: bool
    fixed: tuple[str, ...]
    ranges: Mapping[str, Override]


def run(arguments: Arguments, command: str) -> int:
    """Search as the arguments say and show all trials; return the exit status, 1 if a trial failed.

    Raises UserError for a bad line, before the first trial; Interrupted, naming what goes on with `command`.
    """
    search = read(arguments)
    trials = _trials_module()
    lines = (*search.fixed, *(str(override.input_line) for override in search.ranges.values()))
    plan = compose.plan(replace(arguments, overrides=lines))
    for job in plan.jobs:
        if not job["val_fraction"] > 0:
            raise UserError(f"val_fraction={job['val_fraction']}: search scores by validation; add val_fraction=0.1")
    assert plan.sweep_dir is not None
    study = trials.Study(search, plan.sweep_dir, plan.jobs[0], _trial_command(search.fixed, arguments))
    try:
        with told_how_to_go_on(command, plan.sweep_dir), _raised_on_sigterm():
            study.run()
    finally:
        sweep.report(plan.sweep_dir, search.metric, best_first=True)
        _show_best(study.best(), search)
    return 1 if study.failed else 0


def read(arguments: Arguments) -> Search:
    """Join the chosen file and the line: values swept on the line are ranges, plain ones take a range away."""
    settings = compose.compose_search(arguments.search, arguments.groups_dir)
    for key in settings.keys() | RULES.keys():
        if key not in RULES:
            raise UserError(f"search.{key}: unknown key search.{key}{nearest(key, RULES)}")
        RULES[key].check(f"search.{key}", settings.get(key))
    parser = OverridesParser.create()
    typed = {override.get_key_element(): override for override in parser.parse_overrides(list(arguments.overrides))}
    for key in typed:
        if key.startswith(("hydra/", "hydra.sweeper", "hydra.launcher")):
            raise UserError(f"{key}: a search runs its trials itself; search.workers=2 runs two at a time")
    own = {key: parser.parse_override(f"{key}={words}") for key, words in settings.pop("ranges").items()}
    ranges = {key: override for key, override in (own | typed).items() if override.is_sweep_override()}
    if not ranges:
        raise UserError("search: there is nothing to search, as every range has one value")
    fixed = tuple(str(override.input_line) for key, override in typed.items() if key not in ranges)
    return Search(**settings, fixed=fixed, ranges=ranges)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


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
    return ["train", *flags, *shared]


def _show_best(best: tuple[int, float, Sequence[str]] | None, search: Search) -> None:
    if best is None:
        return
    number, value, values = best
    fixed = [line for line in search.fixed if not line.startswith("hydra.")]
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(f"best: trial {number}, {search.metric} {value:.4f}")
    console.print(f"again: {shlex.join(['high-order-nets', 'train', *fixed, *values])}")


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
