"""Loss, headline and other metrics, epoch by epoch."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ..metrics import HEADLINE, metric, names_of
from .style import BLUE, GREEN, ORANGE, WIDTH, head, percent

Row = dict[str, float]
SPLITS = (("train", "training (running mean)", BLUE), ("val", "validation", ORANGE))
LEFT, RIGHT, BOTTOM, TOP, HEIGHT, BETWEEN = 0.075, 0.99, 0.385, 0.495, 2.75, 0.6
"""Edges: left and right in parts of the width; the others, the height of a row and the gap of two rows in inches."""
STEEP = 30.0
"""Ratio of the largest to the smallest value from which an axis becomes logarithmic."""


def draw_curves(history: Sequence[Row], title: str, tested: Row | None = None, headline: str = HEADLINE) -> Figure:
    """Draw loss, headline and other metrics of a history, one row an epoch with `epoch` and `train_loss`, `val_acc` ….

    An epoch without a figure leaves a gap. `tested` has the results of the test: test_loss, test_acc, tested_epoch.
    """
    names = _drawn(history, headline)
    figure, places = _figure(len(names))
    panels = dict(zip(names, places, strict=False))
    legend: dict[str, Line2D] = {}
    for name, axes in panels.items():
        legend |= _draw(axes, history, name)
    legend |= _mark_best(panels[headline], history, f"val_{headline}")
    marks = {name: _mark_test(axes, tested, name) for name, axes in panels.items()} if tested else {}
    for name, axes in panels.items():
        _scale(axes, history, name)
    head(figure, title, legend | marks.get(headline, {}), LEFT * WIDTH)
    return figure


def _drawn(history: Sequence[Row], headline: str) -> list[str]:
    """Name the metrics that have a place: loss and headline, and what else was logged."""
    first = dict.fromkeys(["loss", headline])
    keys = dict.fromkeys(key for row in history for key in row)
    return [name for name in names_of(keys, list(first)) if name in first or metric(name).curve]


def _figure(count: int) -> tuple[Figure, Sequence[Axes]]:
    """Lay out so many places, two in a row."""
    rows, wide = -(-count // 2), min(count, 2)
    height = HEIGHT * rows
    figure = Figure(figsize=(WIDTH, height))
    inner = (height - BOTTOM - TOP - BETWEEN * (rows - 1)) / rows
    place = {"left": LEFT, "right": RIGHT, "bottom": BOTTOM / height, "top": 1 - TOP / height}
    axes = figure.subplots(rows, wide, squeeze=False, gridspec_kw=place | {"wspace": 0.2, "hspace": BETWEEN / inner})
    for spare in axes.flat[count:]:
        spare.remove()
    return figure, list(axes.flat[:count])


def _scale(axes: Axes, history: Sequence[Row], name: str) -> None:
    """Say what is drawn; shares in percent, what falls steeply on a logarithmic axis."""
    meaning = metric(name)
    axes.set_ylabel(meaning.label)
    if meaning.percent:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
        low, high = axes.get_ylim()
        axes.set_ylim(max(low, -0.02), min(high, 1.02))
        return
    found = [row[key] for row in history for key in (f"train_{name}", f"val_{name}") if key in row]
    values = [value for value in found if 0 < value < math.inf]
    if values and not any(value < 0 for value in found) and max(values) > STEEP * min(values):
        axes.set_yscale("log")


def _draw(axes: Axes, history: Sequence[Row], figure: str) -> dict[str, Line2D]:
    """Draw one figure of all splits, with a dot an epoch while they can be told apart; give the legend."""
    epochs = [row["epoch"] for row in history]
    marker, legend = "o" if len(history) <= 30 else None, {}
    for split, label, colour in SPLITS:
        values = [row.get(f"{split}_{figure}", math.nan) for row in history]
        if not all(map(math.isnan, values)):
            (legend[label],) = axes.plot(epochs, values, color=colour, marker=marker, markersize=2.5)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    axes.set_xlabel("epoch")
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    return legend


def _mark_best(axes: Axes, history: Sequence[Row], key: str) -> dict[str, Line2D]:
    """Ring the best value of the validation; give its entry of the legend."""
    validated = [row for row in history if key in row]
    if not validated:
        return {}
    best = max(validated, key=lambda row: metric(key).merit(row[key]))
    ring = {"marker": "o", "markersize": 6, "markerfacecolor": "none", "markeredgecolor": ORANGE, "linestyle": ""}
    (point,) = axes.plot(best["epoch"], best[key], **ring)
    return {f"best: {_written(best[key], key)}, epoch {best['epoch']:g}": point}


def _mark_test(axes: Axes, tested: Row, name: str) -> dict[str, Line2D]:
    """Mark the test result at the epoch whose weights were tested; give its entry of the legend."""
    key = f"test_{name}"
    if key not in tested:
        return {}
    value, epoch = tested[key], tested["tested_epoch"]
    (point,) = axes.plot(epoch, value, marker="*", markersize=8, color=GREEN, linestyle="", clip_on=False, zorder=5)
    return {f"test: {_written(value, key)}": point}


def _written(value: float, key: str) -> str:
    return percent(value) if metric(key).percent else f"{value:.3g}"
