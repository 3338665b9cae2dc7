"""Plots of a metric against epochs: a line a setting, so that who learns faster and who ends ahead are both seen."""

import math
import statistics
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from .. import metrics
from ..metrics import split
from ..plots.style import COLOURS
from ..run.folder import Run
from ..run.history import read_history
from ..run.layout import HISTORY
from .table import Row

LINES = 8
"""The most lines that a person can tell apart: of more settings the best are drawn."""
Course = dict[int, list[float]]
"""By epoch the values of all seeds."""


def courses(rows: Sequence[Row], metric: str) -> tuple[str, list[tuple[Row, Course]]]:
    """Return the metric that is drawn, and for each of the best rows its course; none where no run has two epochs.

    What was tested is drawn by its validation, where all rows have one, else by its running mean in training.
    """
    name = split(metric)[1]
    merits = {id(row): metrics.metric(metric).merit(statistics.fmean(row.values(metric))) for row in rows}
    best = sorted(merits, key=merits.__getitem__, reverse=True)[:LINES]
    chosen = [row for row in rows if id(row) in best]
    for key in (f"val_{name}", f"train_{name}"):
        found = [(row, _course(row.finished, key)) for row in chosen]
        if found and all(len(course) > 1 for _, course in found):
            return key, found
    return metric, []


def draw_courses(axes: Axes, key: str, found: Sequence[tuple[str, Row, Course]]) -> None:
    """Draw means over seeds, shaded from the least to the greatest; a ring marks where functions were refined."""
    factor = 100 if metrics.metric(key).percent else 1
    ring = {"marker": "o", "markersize": 5, "markerfacecolor": "white", "linestyle": ""}
    for place, (name, row, course) in enumerate(found):
        colour = COLOURS[place % len(COLOURS)]
        epochs = list(course)
        means = [factor * statistics.fmean(values) for values in course.values()]
        axes.plot(epochs, means, color=colour, linewidth=1.3, label=name)
        if any(len(values) > 1 for values in course.values()):
            low, high = ([factor * edge(values) for values in course.values()] for edge in (min, max))
            axes.fill_between(epochs, low, high, color=colour, alpha=0.18, linewidth=0)
        refined = [epoch for epoch in (row.runs[0].setting("refine.epochs") or []) if epoch in course]
        axes.plot(refined, [means[epochs.index(epoch)] for epoch in refined], color=colour, zorder=5, **ring)
    if any(row.runs[0].setting("refine.epochs") for _, row, _ in found):
        axes.plot([], [], color="#7F7F7F", label="refined", **ring)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))


def _course(runs: Sequence[Run], key: str) -> Course:
    found: Course = {}
    for run in runs:
        for row in read_history(run.folder / HISTORY):
            if math.isfinite(row.get(key, math.inf)):
                found.setdefault(int(row["epoch"]), []).append(row[key])
    return found
