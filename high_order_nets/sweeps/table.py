"""Groups runs into one row a setting, seeds as mean ± s.d. (n), and writes the rows as cells, CSV and Markdown."""

import csv
import io
import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .. import metrics
from ..config.rules import is_number
from ..errors import show
from ..metrics import COSTS, metric, reported, telling
from ..run.folder import Run
from ..settings import UNIMPORTANT, WORDS, deciding, places

SHOWN_COSTS = {"parameters": "parameters", "macs": "multiply-adds", "seconds": "seconds"}
"""Costs of the terminal and of Markdown, with their headings; CSV has all."""


def label(figure: str) -> str:
    """Return the figure's name for people, with its unit."""
    return metrics.label(figure) + (" (%)" if metric(figure).percent else "")


def heading(figure: str) -> str:
    """Return what stands over a figure's column."""
    return SHOWN_COSTS.get(figure) or figure + (" %" if metric(figure).percent else "")


@dataclass(frozen=True)
class Row:
    """Hold one setting: the values that tell it from the others and its runs, one for each seed."""

    settings: dict[str, Any]
    runs: list[Run]

    def written(self, key: str, form: Callable[[Any], str] = show) -> str:
        """Return a setting as text; nothing where the runs do not read it."""
        return form(self.settings[key]) if self.runs[0].reads(key) else ""

    def said(self, key: str) -> str:
        """Return the tags, or the notes, of all its runs, each once."""
        found = [run.setting(key) or () for run in self.runs]
        words = [word for each in found for word in ([each] if isinstance(each, str) else each)]
        return ", ".join(map(show, dict.fromkeys(words)))

    @property
    def finished(self) -> list[Run]:
        """Return the runs that count: of the others no figure is a result."""
        return [run for run in self.runs if run.status == "finished"]

    def values(self, figure: str) -> list[float]:
        """Return the figure of each finished run that has it."""
        return [run.metrics[figure] for run in self.finished if is_number(run.metrics.get(figure))]

    def mean(self, figure: str) -> float | None:
        """Return the mean over the finished runs; None where there is none."""
        values = self.values(figure)
        return statistics.fmean(values) if values else None

    def deviation(self, figure: str) -> float | None:
        """Return the standard deviation of a sample (n − 1); None of fewer than two runs."""
        values = self.values(figure)
        return statistics.stdev(values) if len(values) > 1 else None

    @property
    def status(self) -> str:
        """Return `finished`, or what became of which seeds."""
        others = [run for run in self.runs if run.status != "finished"]
        if len(self.runs) == 1:
            return self.runs[0].status
        return ", ".join(f"{run.status} (seed {run.setting('seed')})" for run in others) or "finished"


def group(runs: Sequence[Run], keys: Sequence[str] | None = None) -> list[Row]:
    """Return one row a setting, in the order in which settings first occur, with `keys` or what differs as columns.

    Of two runs with one seed only one counts, the finished one: a repetition is no new sample.
    """
    keys = columns(runs) if keys is None else keys
    rows: dict[str, dict[Any, Run]] = {}
    for run in runs:
        # By the whole config, so that runs which differ in something without a column are never averaged.
        seeds = rows.setdefault(_setting(run), {})
        seed = run.setting("seed")
        if seed not in seeds or run.status == "finished":
            seeds[seed] = run
    groups = (list(seeds.values()) for seeds in rows.values())
    return [Row({key: group[0].setting(key) for key in keys}, group) for group in groups]


def headlines(rows: Sequence[Row]) -> list[str]:
    """Return the metrics that the finished runs are judged by."""
    return list(dict.fromkeys(run.headline for row in rows for run in row.finished)) or [metrics.HEADLINE]


def measured(rows: Sequence[Row]) -> list[str]:
    """Return the figures of the finished runs that belong to training, validation or test."""
    keys = dict.fromkeys(key for row in rows for run in row.finished for key in run.metrics)
    return [key for key in keys if metrics.split(key)[0]]


def figures(rows: Sequence[Row]) -> list[str]:
    """Return the figures of CSV: what the runs are judged by."""
    return reported(measured(rows), headlines(rows))


def headings(rows: Sequence[Row], also: Sequence[str] = ()) -> dict[str, str]:
    """Return the figures of the terminal and of Markdown with their headings; `also` those that are asked for."""
    found = headlines(rows)
    beside = [f"train_{name}" for name in found] + ["test_ece"]  # CSV has them
    beside += [] if "loss" in found else ["test_loss", "val_loss", "train_loss"]
    keys = [key for key in telling(figures(rows), found) if key not in beside]
    asked = [key for key in also if key in measured(rows) and key not in keys]
    return {key: heading(key) for key in (*keys, *asked, *SHOWN_COSTS) if any(row.values(key) for row in rows)}


def words(rows: Sequence[Row]) -> list[str]:
    """Return which of tags and notes someone has given any of the runs: columns beside the settings."""
    return [key for key in WORDS if any(row.said(key) for row in rows)]


def columns(runs: Sequence[Run]) -> list[str]:
    """Return the settings that differ between runs that read them, among those that someone named on a command line.

    Runs without a command line add the groups and all knobs at the top.
    """
    named = [key for run in runs for key in (_top(run) if run.keys is None else run.keys)]
    of_all = set.intersection(*(set(places(run.config)) for run in runs)) if runs else set()
    passed_over = {"seed", *UNIMPORTANT, *of_all}
    keys = [key for key in dict.fromkeys(named) if not {key, key.split(".")[0]} & passed_over]
    return [key for key in keys if len({show(run.setting(key)) for run in runs if run.reads(key)}) > 1]


def failures(runs: Sequence[Run]) -> list[str]:
    """Name each run that failed, diverged or is missing, in a line with its reason."""
    bad = [run for run in runs if run.status not in ("finished", "pruned")]
    return [": ".join(filter(None, (str(run.folder), run.status, run.metrics.get("error")))) for run in bad]


def ordered(rows: Sequence[Row], key: str) -> list[Row]:
    """Sort the rows by a setting, upward, or a figure, the best first; '-key' turns it round."""
    name = key.removeprefix("-")
    down = metric(name).higher_is_better != key.startswith("-")

    def value(row: Row) -> Any:
        return row.status if name == "status" else row.settings[name] if name in row.settings else row.mean(name)

    known = [row for row in rows if value(row) is not None]
    alike = all(is_number(value(row)) for row in known)
    known.sort(key=lambda row: value(row) if alike else show(value(row)), reverse=down)
    return [*known, *(row for row in rows if value(row) is None)]


def markdown(rows: Sequence[Row], problems: Sequence[str], also: Sequence[str] = ()) -> str:
    """Return the rows as a Markdown table, with what went wrong below."""
    header, body = cells(rows, also)
    lines = [" | ".join(cell.replace("|", "\\|") for cell in cells) for cells in (header, ["---"] * len(header), *body)]
    notes = ["", *(f"* {problem}" for problem in problems)] if problems else []
    return "\n".join([*(f"| {line} |" for line in lines), *notes]) + "\n"


def comma_separated(rows: Sequence[Row]) -> str:
    """Return the rows as CSV: settings, words, seeds, how many finished, mean and s.d. of metrics, costs, folders."""
    text = io.StringIO()
    keys, judged = list(rows[0].settings) if rows else [], figures(rows)
    writer = csv.writer(text, lineterminator="\n")
    names = [name for figure in judged for name in (figure, f"{figure}_sd")]
    said = words(rows)
    writer.writerow([*keys, *said, "seeds", "finished", *names, *COSTS, "status", "folders"])
    for row in rows:
        values = [value for figure in judged for value in (row.mean(figure), row.deviation(figure))]
        seeds = " ".join(show(run.setting("seed")) for run in row.runs)
        costs = [row.mean(cost) for cost in COSTS]
        settings = [*(row.written(key) for key in keys), *(row.said(key) for key in said)]
        folders = " ".join(run.folder.name for run in row.runs)
        writer.writerow([*settings, seeds, len(row.finished), *map(_plain, [*values, *costs]), row.status, folders])
    return text.getvalue()


def cells(rows: Sequence[Row], also: Sequence[str] = ()) -> tuple[list[str], list[list[str]]]:
    """Return the header and the cells; figures that no run has are left out, `also` those that are asked for."""
    keys = list(rows[0].settings) if rows else []
    shown, said = headings(rows, also), words(rows)
    header = [*keys, *said, *shown.values(), "status"]
    body = [
        [
            *(row.written(key, _short) for key in keys),
            *(row.said(key) for key in said),
            *(_cost(row, name) if name in COSTS else spread(row, name) for name in shown),
            row.status,
        ]
        for row in rows
    ]
    return header, body


def spread(row: Row, figure: str) -> str:
    """Return 'mean ± s.d. (n)', shares in percent."""
    mean, deviation, written = row.mean(figure), row.deviation(figure), metric(figure).written
    if mean is None:
        return ""
    beside = f" ± {written(deviation)}" if deviation is not None else ""
    return f"{written(mean)}{beside} ({len(row.values(figure))})"


def _cost(row: Row, figure: str) -> str:
    mean = row.mean(figure)
    return "" if mean is None else metric(figure).written(mean)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else show(value)


def _plain(value: float | None) -> str:
    if value is None:
        return ""
    return str(int(value)) if float(value).is_integer() else f"{value:.6g}"


def _setting(run: Run) -> str:
    """Return what runs of one setting share; a run that left no config shares it with none."""
    shared = {key: value for key, value in deciding(run.config).items() if key != "seed"}
    return json.dumps(shared, sort_keys=True, default=str) if shared else str(run.folder)


def _top(run: Run) -> list[str]:
    knobs = [key for key, value in run.config.items() if not isinstance(value, dict)]
    return [*run.config.get("choices", {}), *knobs]
