"""Loss and accuracy, epoch by epoch."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from .style import BLUE, GREEN, ORANGE, WIDTH, head, percent

Row = dict[str, float]
SPLITS = (("train", "training (running mean)", BLUE), ("val", "validation", ORANGE))
PLACE = {"left": 0.075, "right": 0.99, "bottom": 0.14, "top": 0.82, "wspace": 0.2}
STEEP = 30.0
"""Ratio of the largest to the smallest loss from which its axis becomes logarithmic."""


def draw_curves(history: Sequence[Row], title: str, tested: Row | None = None) -> Figure:
    """Draw loss and top-1 accuracy of a history, one row an epoch with `epoch` and `train_loss`, `val_acc` ….

    An epoch without a figure leaves a gap. `tested` has the results of the test: test_loss, test_acc, tested_epoch.
    """
    figure = Figure(figsize=(WIDTH, 2.75))
    loss, accuracy = figure.subplots(1, 2, gridspec_kw=PLACE)
    legend = _draw(loss, history, "loss") | _draw(accuracy, history, "acc") | _mark_best(accuracy, history)
    if tested:
        _mark_test(loss, tested, "loss")
        legend |= _mark_test(accuracy, tested, "acc")
    loss.set_ylabel("loss")
    values = [row[key] for row in history for key in ("train_loss", "val_loss") if 0 < row.get(key, 0) < math.inf]
    if values and max(values) > STEEP * min(values):
        loss.set_yscale("log")
    accuracy.set_ylabel("accuracy, top-1")
    accuracy.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
    low, high = accuracy.get_ylim()
    accuracy.set_ylim(max(low, -0.02), min(high, 1.02))
    head(figure, title, legend, PLACE["left"] * WIDTH)
    return figure


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


def _mark_best(axes: Axes, history: Sequence[Row]) -> dict[str, Line2D]:
    """Ring the best validation accuracy; give its entry of the legend."""
    validated = [row for row in history if "val_acc" in row]
    if not validated:
        return {}
    best = max(validated, key=lambda row: row["val_acc"])
    ring = {"marker": "o", "markersize": 6, "markerfacecolor": "none", "markeredgecolor": ORANGE, "linestyle": ""}
    (point,) = axes.plot(best["epoch"], best["val_acc"], **ring)
    return {f"best: {percent(best['val_acc'])}, epoch {best['epoch']:g}": point}


def _mark_test(axes: Axes, tested: Row, figure: str) -> dict[str, Line2D]:
    """Mark the test result at the epoch whose weights were tested; give its entry of the legend."""
    value, epoch = tested[f"test_{figure}"], tested["tested_epoch"]
    (point,) = axes.plot(epoch, value, marker="*", markersize=8, color=GREEN, linestyle="", clip_on=False, zorder=5)
    return {f"test: {percent(value)}" if figure == "acc" else f"test: {value:.3g}": point}
