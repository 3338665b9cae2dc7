"""Begins and ends a sweep: jobs that are there already are skipped, the end is a table, two files and plots."""

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from ..errors import UserError
from ..files import write_text
from . import table
from .rules import show
from .runs import METRICS, SWEEP, Run, deciding, jobs_of, planned, read
from .sweep_plot import write_plots
from .table import Row


def claim(folder: Path, jobs: Sequence[dict[str, Any]], command: str) -> None:
    """Write down the jobs of the sweep in its folder; raise UserError where other jobs lie there."""
    configs = [job | {"command": command} for job in jobs]
    before = planned(folder)
    for number, run in sorted(jobs_of(folder).items() if folder.is_dir() else ()):
        old = before[number] if number < len(before) else run.config
        if number < len(configs) and (changed := _changed(old, configs[number])):
            raise UserError(
                f"{run.folder}: holds another job, with {changed}; name another folder by run_dir=…, "
                "and show both by: high-order-nets table DIR DIR"
            )
    make_folder(folder)
    configs += before[len(configs) :]  # a shorter command leaves the other jobs in the table
    write_text(folder / SWEEP, json.dumps({"command": command, "jobs": configs}, indent=1) + "\n")


def report(folder: Path, metric: str = "test_acc", *, best_first: bool = False) -> bool:
    """Show the table of the sweep, write results.csv, results.md and plots; return whether all its jobs finished."""
    runs = read([folder])
    if best_first:
        best = -math.inf if metric.endswith("acc") else math.inf
        runs.sort(key=lambda run: run.metrics.get(metric, best), reverse=metric.endswith("acc"))
    show_table(runs, str(folder), folder, metric)
    return not table.failures(runs)


def rebuild(folders: Sequence[Path], out: Path | None) -> None:
    """Show the table of any run and sweep folders; write it to `out`, or into the folder where only one is named.

    Raises UserError where there are no runs.
    """
    runs = read(folders)
    if not runs:
        raise UserError(f"{' '.join(map(str, folders))}: no runs there; expected folders with {METRICS} at any depth")
    out = out or (folders[0] if len(folders) == 1 else None)
    if out is not None:
        make_folder(out)
    show_table(runs, " ".join(map(str, folders)), out)


def make_folder(folder: Path) -> None:
    """Make a folder for results; raise UserError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: the folder cannot be written: {error.strerror}") from error


def show_table(runs: Sequence[Run], title: str, out: Path | None, metric: str = "test_acc") -> None:
    """Show the runs as a table with what failed; write it with plots of the metric to the folder `out`, if given."""
    rows = table.group(runs)
    problems = table.failures(runs)
    written = ""
    if out is not None:  # before anything is shown, which a terminal may refuse
        write_text(out / "results.csv", table.comma_separated(rows))
        write_text(out / "results.md", table.markdown(rows, problems))
        files = ["results.csv", "results.md", *(path.name for path in write_plots(rows, metric, out))]
        written = f"in {out}: {', '.join(files)}"
    _print(rows, title, problems)
    if written:
        Console(soft_wrap=True).print(written, highlight=False, markup=False)


def _print(rows: Sequence[Row], title: str, problems: Iterable[str]) -> None:
    shown = table.terminal(rows)
    needed = Console(width=10_000).measure(shown).maximum
    console = Console(width=max(Console().width, needed))  # a pipe's 80 columns would cut it
    console.print(title, style="bold", highlight=False, markup=False, soft_wrap=True)
    console.print(shown)
    for problem in problems:
        console.print(problem, style="red", highlight=False, markup=False, soft_wrap=True)


def _changed(old: dict[str, Any], new: dict[str, Any]) -> str:
    """Name what differs between two configs, as 'n=2 (now 3)'; what follows from a knob or a group only if alone.

    `max_epochs` may grow, as a run's may: its jobs then go on.
    """
    before, after = _flat(old), _flat(new)
    keys = [key for key in before | after if before.get(key) != after.get(key) and key != "max_epochs"]
    asked = [key for key in keys if "." not in key] or keys
    return ", ".join(f"{key}={show(before.get(key))} (now {show(after.get(key))})" for key in asked[:3])


def _flat(config: dict[str, Any]) -> dict[str, Any]:
    choices, rest = config.get("choices", {}), deciding(config)
    knobs = {key: value for key, value in rest.items() if key not in (*choices, "choices")}
    return choices | knobs | {f"{group}.{key}": rest[group][key] for group in choices for key in rest.get(group) or ()}
