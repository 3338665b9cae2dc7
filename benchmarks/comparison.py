"""Run and tabulate settings beside each other on a CPU: a page of results/ and, beside it, the figures of all runs.

    python benchmarks/NAME.py run [PATTERN …]      the rows whose name matches, those not run yet, one by one
    python benchmarks/NAME.py table                the tables in results/NAME.md, from what has been run

A row is a label and a set of overrides; a run lands in outputs/NAME/ROW-sSEED, on one thread, and its figures in
results/NAME.json, so that what is missing can be run later and elsewhere. A run that was stopped is gone on with.
Several `run` may work side by side: a run belongs to the process that is at it. In the environment, ROUNDS=1 leaves it
at the first seed, OUTPUTS=DIR has the runs elsewhere, and SLOT=570 stops after so many seconds, also within a run, and
says what is left.
"""

import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from itertools import takewhile
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from machine import processor
from scipy import stats

from high_order_nets.run.folder import Run, metrics_of
from high_order_nets.sweeps.table import Row, spread

ROOT = Path(__file__).resolve().parents[1]
KEPT = (
    *("status", "error", "test_acc", "test_best_acc", "test_acc5", "test_loss", "train_acc", "train_loss"),
    *("test_perplexity", "val_perplexity", "train_perplexity", "test_bits_per_token"),
    *("parameters", "parameters_reduced", "macs", "seconds", "seconds_per_epoch"),
    *("images_per_second", "tokens_per_second", "date", "device", "versions", "cpus"),
)
"""The figures of a run that are stored, as far as it has them."""


@dataclass(frozen=True)
class Comparison:
    """Tables of rows, `{title: {row: (label, overrides)}}`, and the number of seeds by row, one where none is said."""

    name: str
    tables: Mapping[str, Mapping[str, tuple[str, str]]]
    seeds: Mapping[str, int]
    shown: Mapping[str, str] = field(default_factory=lambda: {"test, %": "test_acc", "train, %": "train_acc"})
    """The figures that a table has, by heading."""
    controls: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By title the rows that others are compared with, seed by seed in the first figure, by heading."""

    @property
    def rows(self) -> dict[str, tuple[str, str]]:
        """All rows by name."""
        return {name: row for table in self.tables.values() for name, row in table.items()}

    @property
    def outputs(self) -> Path:
        """Where the runs are."""
        return Path(os.environ.get("OUTPUTS", ROOT / "outputs")) / self.name

    @property
    def figures(self) -> Path:
        """The file with the figures of all runs."""
        return ROOT / "results" / f"{self.name}.json"

    def main(self, words: list[str]) -> None:
        """Do what the command line says."""
        if words[:1] == ["run"]:
            self.run(words[1:])
        elif words == ["table"]:
            page = ROOT / "results" / f"{self.name}.md"
            mark = f"<!-- below: made by `python benchmarks/{self.name}.py table` -->"
            said = page.read_text(encoding="utf-8").partition(mark)[0]
            page.write_text(f"{said}{mark}\n\n{self.all_tables()}\n", encoding="utf-8")
        else:
            sys.exit(__doc__)

    def run(self, patterns: list[str]) -> None:
        """Run what matches and is not there, the first seed of all rows before the second of any."""
        end = time.monotonic() + float(os.environ.get("SLOT", "inf"))
        for run_name, overrides in self.left(patterns):
            if time.monotonic() < end and run_name not in self.stored():  # others may have run it meanwhile
                self.run_one(run_name, overrides, end)
        if left := [run_name for run_name, _ in self.left(patterns)]:
            print(f"left: {len(left)}: {' '.join(left)}")

    def left(self, patterns: list[str]) -> list[tuple[str, list[str]]]:
        """Give what matches and is not there, by name with its overrides, in the order in which it is to run."""
        chosen = [name for name in self.rows if any(fnmatch(name, pattern) for pattern in patterns or ["*"])]
        return [
            (f"{name}-s{seed}", [*self.rows[name][1].split(), f"seed={seed}"])
            for seed in range(1, 1 + int(os.environ.get("ROUNDS", "3")))
            for name in chosen
            if seed <= self.seeds.get(name, 1) and f"{name}-s{seed}" not in self.stored()
        ]

    def run_one(self, run_name: str, overrides: list[str], end: float) -> None:
        """Run one setting with one seed in a process of its own and store its figures; refused where one is at it.

        At the end, by the monotonic clock, it is asked to stop, and saves itself.
        """
        folder = self.outputs / run_name
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "high_order_nets", "train", *overrides, f"run_dir={folder}"]
        print(run_name, flush=True)
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        with (
            (folder / "log.txt").open("a") as log,
            subprocess.Popen(command, stdout=log, stderr=log, env=environment) as process,
        ):
            try:
                process.wait(None if end == math.inf else max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.terminate()
        self.store(run_name, metrics_of(folder))

    def stored(self) -> dict[str, dict[str, Any]]:
        """Read the figures of all runs by ROW-sSEED."""
        return json.loads(self.figures.read_text(encoding="utf-8")) if self.figures.exists() else {}

    def store(self, run_name: str, metrics: dict[str, Any]) -> None:
        """Add the figures of a run that finished or diverged."""
        if metrics.get("status") not in ("finished", "diverged"):
            return
        kept = {key: metrics[key] for key in KEPT if key in metrics}
        kept["overrides"] = " ".join(
            word for word in metrics["command"].split() if "=" in word and "run_dir" not in word
        )
        with FileLock(self.outputs / "store.lock"):
            runs = dict(sorted((self.stored() | {run_name: kept}).items()))
            self.figures.write_text(json.dumps(runs, indent=1) + "\n", encoding="utf-8")

    def runs_of(self, name: str) -> list[Run]:
        """Find the runs of a row."""
        found = self.stored().items()
        return [Run(self.outputs / folder, metrics=run) for folder, run in found if folder.rpartition("-s")[0] == name]

    def paired(self, name: str, control: str) -> str:
        """Format by how much a row is ahead of another, in points: mean ± half of the 95 % interval (n seeds)."""
        key = next(iter(self.shown.values()))
        ours, theirs = (self.by_seed(row, key) for row in (name, control))
        ahead = [100 * (ours[seed] - theirs[seed]) for seed in ours if seed in theirs]
        if name == control or not ahead:
            return ""
        half = stats.t.ppf(0.975, len(ahead) - 1) * statistics.stdev(ahead) / len(ahead) ** 0.5 if ahead[1:] else None
        spread = "" if half is None else f" ± {half:.1f}"
        return f"{statistics.mean(ahead):+.1f}{spread} ({len(ahead)})"

    def by_seed(self, name: str, key: str) -> dict[str, float]:
        """Give a figure of each run of a row, by its seed."""
        return {
            run.folder.name.rpartition("-s")[2]: run.metrics[key] for run in self.runs_of(name) if key in run.metrics
        }

    def table_row(self, name: str, label: str, overrides: str, controls: Mapping[str, str]) -> str:
        """Format one row: mean ± standard deviation (n) in percent, what it is ahead, sizes, seconds."""
        row = Row({}, self.runs_of(name))
        if not row.runs or any(run.status == "diverged" for run in row.runs):
            what = "diverged" if row.runs else "not run"
            return f"| {label} | `{overrides}` | {what}" + " |" * (len(self.shown) + len(controls) + 3)
        parameters, macs = (row.values(key)[0] / 1e6 for key in ("parameters", "macs"))
        seconds = statistics.median(row.values("seconds_per_epoch"))
        figures = [spread(row, key) for key in self.shown.values()]
        figures += [self.paired(name, control) for control in controls.values()]
        sizes = f"{parameters:.3f} M | {macs:.2f} M | {seconds:.0f}"
        return f"| {label} | `{overrides}` | {' | '.join(figures)} | {sizes} |"

    def all_tables(self) -> str:
        """Make the tables and what made them, as Markdown."""
        parts = []
        for title, rows in self.tables.items():
            controls = self.controls.get(title, {})
            headings = ("network", "overrides", *self.shown, *controls, "parameters", "multiply-adds", "s/epoch")
            head = f"| {' | '.join(headings)} |\n" + "|---" * len(headings) + "|"
            shared = self.shared(rows)  # said once, above them
            lines = [
                self.table_row(name, label, words.removeprefix(shared), controls)
                for name, (label, words) in rows.items()
            ]
            command = f"`high-order-nets train {shared}…`"
            parts.append("\n".join([f"## {title}", "", command, "", head, *lines]))
        return "\n\n".join([*parts, self.circumstances()])

    @staticmethod
    def shared(rows: Mapping[str, tuple[str, str]]) -> str:
        """Give the words that all rows of a table begin with, and a space; none where there is but one row."""
        words = [overrides.split() for _, overrides in rows.values()]
        alike = takewhile(lambda column: len(set(column)) == 1, zip(*words, strict=False)) if len(words) > 1 else ()
        return "".join(f"{column[0]} " for column in alike)

    def circumstances(self) -> str:
        """Say on what the figures were measured."""
        runs = [run.metrics for name in self.rows for run in self.runs_of(name)]
        if not runs:
            return "Nothing has been run."
        devices = {run.get("device", "cpu") for run in runs}
        on = ", ".join(sorted({processor(torch.device("cpu")) if "cpu" in name else name for name in devices}))
        versions = ", ".join(f"{name} {version}" for name, version in runs[0]["versions"].items())
        dates = sorted(run["date"][:10] for run in runs)
        return f"Measured {dates[0]} to {dates[-1]} on {on}, {runs[0]['cpus']} cores, one thread a run; {versions}."
