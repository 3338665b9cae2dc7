"""Begins and ends a sweep: jobs that are there already are skipped, the end is a table, two files and plots."""

import json
import math
import os
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from .. import metrics
from ..config.rules import is_number
from ..errors import UserError, show
from ..files import write_text
from ..metrics import COSTS
from ..run.folder import Run, jobs_of, planned, read
from ..run.layout import METRICS, SWEEP
from ..settings import WORDS, Config, both_deciding, flat
from . import table
from .options import Options, check_names, keep
from .plot import write_plots
from .table import Row
from .view import lay_out, wrapped


def claim(folder: Path, jobs: Sequence[Config], command: str) -> None:
    """Write down the jobs of the sweep in its folder; raise UserError where other jobs lie there."""
    configs = [job | {"command": command} for job in jobs]
    before = planned(folder)
    there = jobs_of(folder) if folder.is_dir() else {}
    for number, run in sorted(there.items()):
        old = before[number] if number < len(before) else run.config
        if number < len(configs) and (changed := _changed(old, configs[number])):
            raise UserError(
                f"{run.folder}: holds another job, with {changed}; name another folder by run_dir=…, "
                "and show both by: high-order-nets table DIR DIR"
            )
    for number, run in there.items():
        if number < len(configs) and run.status == "finished":  # with more epochs than are asked for, it stays
            configs[number]["max_epochs"] = max(run.config.get("max_epochs", 0), configs[number]["max_epochs"])
    make_folder(folder)
    configs += before[len(configs) :]  # a shorter command leaves the other jobs in the table
    write_text(folder / SWEEP, json.dumps({"command": command, "jobs": configs}, indent=1) + "\n")


def report(folder: Path, metric: str | None = None, *, best_first: bool = False) -> bool:
    """Show the table of the sweep, write results.csv, results.md and plots; return whether all its jobs finished.

    The plots are of the metric, of the headline if none is named; `best_first` sorts by it.
    """
    runs = read([folder])
    if metric is not None and best_first:
        runs.sort(key=lambda run: _merit(run, metric), reverse=True)
    show_table(runs, shlex.quote(str(folder)), folder, metric)
    return not table.failures(runs)


def _merit(run: Run, name: str) -> float:
    value: Any = run.metrics.get(name)
    return metrics.metric(name).merit(value) if is_number(value) else -math.inf


def rebuild(options: Options) -> None:
    """Show the table of any run and sweep folders as asked for; write it to `options.out`, if given.

    Raises UserError where there are no runs, and for names that no run has.
    """
    runs = read(options.folders)
    if not runs:
        raise UserError(f"{' '.join(map(str, options.folders))}: no runs there; expected folders with {METRICS} "
                        "at any depth")  # fmt: skip
    named = [*(options.columns or ()), *([options.sort.removeprefix("-")] if options.sort else [])]
    settings = [name for name in named if name not in WORDS]
    asked = [name for name in settings if any(run.setting(name) is not None for run in runs)]
    keys = list(dict.fromkeys([*table.columns(runs), *asked]))
    if options.out is not None:
        make_folder(options.out)
    rows = _selected(table.group(kept := keep(runs, options.where), keys), options)
    _show(rows, table.failures(kept), shlex.join(map(str, options.folders)), options.out, columns=options.columns)


def make_folder(folder: Path) -> None:
    """Make a folder for results; raise UserError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: the folder cannot be written: {error.strerror}") from error


def show_table(runs: Sequence[Run], title: str, out: Path | None, metric: str | None = None) -> None:
    """Write the table of the runs with plots of the metric to the folder `out`, if given; show it with what failed."""
    _show(table.group(runs), table.failures(runs), title, out, metric)


def _show(
    rows: Sequence[Row],
    problems: Sequence[str],
    title: str,
    out: Path | None,
    metric: str | None = None,
    columns: Sequence[str] | None = None,
) -> None:
    files: list[str] = []
    also = [metric] if metric else []
    drawn = metric or f"test_{table.headlines(rows)[0]}"
    if out is not None:
        write_text(out / "results.csv", table.comma_separated(rows))
        write_text(out / "results.md", table.markdown(rows, problems, also))
        files = ["results.csv", "results.md", *(path.name for path in write_plots(rows, drawn, out))]
    _print(rows, title, problems, columns, also)
    if files:
        line = f"in {shlex.quote(str(out))}: {', '.join(files)}"
        Console(soft_wrap=True).print(line, highlight=False, markup=False, emoji=False)


def _selected(rows: list[Row], options: Options) -> list[Row]:
    """Return the rows in the order and number asked for; raise UserError for names that are no column."""
    settings = rows[0].settings if rows else {}
    known = dict.fromkeys([*table.figures(rows), *table.measured(rows)])
    check_names("columns", options.columns or (), [*settings, *table.words(rows), *known, *table.SHOWN_COSTS, "status"])
    if options.sort:
        check_names("sort", [options.sort.removeprefix("-")], [*settings, *known, *COSTS, "status"])
        rows = table.ordered(rows, options.sort)
    return rows[: options.top]


def _print(
    rows: Sequence[Row],
    title: str,
    problems: Iterable[str],
    columns: Sequence[str] | None = None,
    also: Sequence[str] = (),
) -> None:
    console = Console(highlight=False, markup=False, emoji=False)
    fixed = console.is_terminal or "COLUMNS" in os.environ
    if not fixed:
        console = Console(width=10_000, highlight=False, markup=False, emoji=False)  # a pipe has no edge
    console.print("\n".join(wrapped(title, console.width)), style="bold", soft_wrap=True)
    for part in lay_out(rows, console.width if fixed else None, columns, also):
        console.print(part, soft_wrap=isinstance(part, str))
    for problem in problems:
        console.print("\n".join(wrapped(problem, console.width)), style="red", soft_wrap=True)


def _changed(old: Config, new: Config) -> str:
    """Name what differs between two configs, as 'n=2 (now 3)'; what follows from a knob or a group only if alone.

    `max_epochs` may grow, as a run's may: its jobs then go on.
    """
    before, after = map(_flat, both_deciding(old, new))
    keys = [key for key in before | after if before.get(key) != after.get(key) and key != "max_epochs"]
    asked = [key for key in keys if "." not in key] or keys
    return ", ".join(f"{key}={show(before.get(key))} (now {show(after.get(key))})" for key in asked[:3])


def _flat(rest: Config) -> Config:
    knobs = {key: value for key, value in rest.items() if key != "choices"}
    return rest.get("choices", {}) | flat(knobs)
