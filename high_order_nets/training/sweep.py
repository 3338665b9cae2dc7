"""Ends a multirun with one table of its jobs, read from their folders."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from .job import METRICS

COLUMNS = ("test_acc", "test_acc5", "parameters", "macs", "seconds", "status")


@dataclass(frozen=True)
class Row:
    """Hold one job: its number, its overrides and what it measured."""

    number: int
    overrides: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=lambda: {"status": "missing"})


def report(folder: Path, jobs: int | None = None) -> bool:
    """Show the table of the sweep in `folder`; return whether all its jobs finished.

    `jobs` is their number where it is known: a job without a folder then counts as missing, and folders that an
    earlier, longer sweep left here are passed over.
    """
    rows = {row.number: row for row in read(folder)}
    numbers = range(jobs) if jobs is not None else sorted(rows)
    found = [rows.get(number, Row(number)) for number in numbers]
    shown = table(found, folder)
    needed = Console(width=10_000).measure(shown).maximum
    Console(width=max(Console().width, needed)).print(shown)  # a pipe's 80 columns would cut it
    return all(row.metrics["status"] == "finished" for row in found)


def read(folder: Path) -> list[Row]:
    """Read the jobs of a sweep from the `.hydra` folders and `metrics.json` files below `folder`."""
    return [_row(file.parent.parent, file) for file in folder.glob("**/.hydra/hydra.yaml")]


def table(rows: list[Row], folder: Path) -> Table:
    """Lay the jobs out, with a column for each override that differs between them."""
    keys = [key for key in dict.fromkeys(key for row in rows for key in row.overrides) if _differs(rows, key)]
    shown = Table(title=str(folder), title_justify="left")
    shown.add_column("job", justify="right", no_wrap=True)
    for name in (*keys, *COLUMNS):
        shown.add_column(name, justify="left" if name in (*keys, "status") else "right", no_wrap=True)
    for row in rows:
        values = [row.overrides.get(key, "") for key in keys] + [_cell(row.metrics.get(name)) for name in COLUMNS]
        shown.add_row(str(row.number), *values)
    return shown


def _row(folder: Path, file: Path) -> Row:
    hydra = yaml.safe_load(file.read_text(encoding="utf-8"))["hydra"]
    overrides = dict(line.split("=", 1) for line in hydra["overrides"]["task"])
    measured = folder / METRICS
    metrics = json.loads(measured.read_text(encoding="utf-8")) if measured.exists() else {}
    return Row(int(hydra["job"]["num"]), overrides, {"status": "missing"} | metrics)


def _differs(rows: list[Row], key: str) -> bool:
    return len({row.overrides.get(key) for row in rows if row.overrides}) > 1


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
