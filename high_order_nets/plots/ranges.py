"""How large weights, inputs and outputs are, layer by layer."""

import math
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator, NullLocator

from .observe import Sample, Watched
from .style import BLUE, GREEN, GREY, INK, ORANGE, WASH, WIDTH, head, percent, shorten

ROW, TIGHT, LONGEST = 0.17, 0.1, 24.0
"""Inches of a layer's row: with few layers, with very many, and of all of them together where both allow."""
LABEL = 0.11
"""Inches that a layer's name needs."""
HEADER, FOOTER, GAP = 0.68, 0.25, 0.16
UNEVEN = 12.0
"""Ratio of the widest to the middling layer's range from which an axis becomes logarithmic away from zero."""
OUTSIDE = "outside interval"
LEVELS = (0.01, 0.25, 0.5, 0.75, 0.99)


def draw_ranges(layers: dict[str, Watched], title: str) -> Figure:
    """Draw a row a layer, in the order they are met, and a column each for weights, inputs, outputs.

    Where layers have an interval it is marked under their inputs, and the part of the inputs beyond it has a column.
    """
    row = max(TIGHT, min(ROW, LONGEST / len(layers)))
    figure = Figure(figsize=(WIDTH, HEADER + FOOTER + row * (len(layers) + 0.6)))
    seen = list(layers.values())
    with_interval = any(watched.half is not None for watched in seen)
    left = 0.15 + 0.06 * max(len(_label(name)) for name in layers)
    shares = {"weights": 1.0, "inputs": 1.15, OUTSIDE: 0.7, "outputs": 1.0}
    if not with_interval:
        del shares[OUTSIDE]
    axes = _columns(figure, shares, left)
    _ranges(axes["weights"], [Sample.of(watched.layer.weight) for watched in seen], ORANGE)  # type: ignore[arg-type]
    _ranges(axes["inputs"], [watched.inputs for watched in seen], BLUE)
    _ranges(axes["outputs"], [watched.outputs for watched in seen], GREEN)
    if with_interval:
        _intervals(axes["inputs"], seen)
        _outside(axes[OUTSIDE], seen)
    for kind, column in axes.items():
        column.set_title(kind, loc="left", pad=3)
        column.set_ylim(len(layers) - 0.4, -0.7)
        column.spines["left"].set_visible(False)
        _rows(column, list(layers) if kind == "weights" else [], row)
    head(figure, title, _legend(with_interval), 0.15)
    return figure


def _columns(figure: Figure, shares: dict[str, float], left: float) -> dict[str, Axes]:
    """Place a column a share, in inches, so that names of any length have their room."""
    width, height = figure.get_size_inches()
    unit = (width - left - 0.1 - GAP * (len(shares) - 1)) / sum(shares.values())
    axes, x = {}, left
    for kind, share in shares.items():
        bottom, inner = FOOTER / height, (height - HEADER - FOOTER) / height
        axes[kind] = figure.add_axes((x / width, bottom, unit * share / width, inner))
        x += unit * share + GAP
    return axes


def _label(name: str) -> str:
    return shorten(name, 38)


def _ranges(axes: Axes, rows: list[Sample], colour: str) -> None:
    """Draw of each layer the extremes, 98 % and the half in the middle of its numbers, and the median."""
    found = [(place, sample) for place, sample in enumerate(rows) if len(sample.values)]
    if not found:
        return
    places = [place for place, _ in found]
    low, first, median, third, high = zip(*(sample.quantiles(*LEVELS) for _, sample in found), strict=True)
    lowest, highest = [sample.low for _, sample in found], [sample.high for _, sample in found]
    axes.hlines(places, lowest, highest, color=colour, alpha=0.4, linewidth=0.8, zorder=2)
    axes.hlines(places, low, high, color=colour, linewidth=1.3, zorder=3)
    axes.hlines(places, first, third, color=colour, linewidth=4, zorder=3)
    axes.plot(median, places, "|", markersize=4, color="white", markeredgewidth=0.9, zorder=4)
    axes.axvline(0, color=GREY, linewidth=0.4, zorder=1)
    _scale(axes, sorted(max(-a, b) for a, b in zip(low, high, strict=True)), max(*highest, -min(lowest)))


def _scale(axes: Axes, reach: list[float], widest: float) -> None:
    """Take a linear axis, or one logarithmic away from zero where the layers differ too much for it."""
    middling = reach[len(reach) // 2]
    if not 0 < UNEVEN * middling < widest:
        axes.xaxis.set_major_locator(MaxNLocator(4, symmetric=True))
        return
    first, last = math.ceil(math.log10(middling)), math.floor(math.log10(widest))
    axes.set_xscale("symlog", linthresh=10.0**first)
    decades = range(first, max(first, last) + 1, 1 + (last - first) // 3)
    ticks = [-(10.0**decade) for decade in reversed(decades)] + [0.0] + [10.0**decade for decade in decades]
    axes.set_xticks(ticks, [f"{tick:g}".replace("-", "−") for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())


def _intervals(axes: Axes, layers: list[Watched]) -> None:
    """Mark each layer's interval behind its row."""
    for place, watched in enumerate(layers):
        if watched.half is not None:
            box = (-watched.half, place - 0.5), 2 * watched.half, 1
            axes.add_patch(Rectangle(*box, facecolor=WASH, linewidth=0, zorder=0))
    inside = [(place, watched.half) for place, watched in enumerate(layers) if watched.half is not None]
    for side in (-1, 1):
        edges = [side * half for _, half in inside]
        starts, ends = [place - 0.5 for place, _ in inside], [place + 0.5 for place, _ in inside]
        axes.vlines(edges, starts, ends, color=GREY, linewidth=0.6, zorder=1)


def _outside(axes: Axes, layers: list[Watched]) -> None:
    """Draw the part of the inputs beyond the interval as bars, with their numbers."""
    found = [(place, watched.outside) for place, watched in enumerate(layers) if watched.half is not None]
    longest = max(0.01, *(outside for _, outside in found))
    axes.hlines([place for place, _ in found], 0, [outside for _, outside in found], color=BLUE, linewidth=4)
    for place, outside in found:
        axes.text(outside + 0.04 * longest, place, percent(outside), va="center", fontsize=6, color=INK)
    axes.set_xlim(0, 1.5 * longest)
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)


def _rows(axes: Axes, names: list[str], row: float) -> None:
    """Make room for a row a layer; the names, if any, stand beside them, or beside every other where rows are tight."""
    every = 1 if row >= LABEL else 2
    axes.set_yticks(range(0, len(names), every), [_label(name) for name in names[::every]])
    axes.tick_params(axis="y", length=0, labelsize=6.5)


def _legend(with_interval: bool) -> dict[str, Any]:
    legend: dict[str, Any] = {
        "middle 50 %": Line2D([], [], color=GREY, linewidth=4, solid_capstyle="butt"),
        "98 %": Line2D([], [], color=GREY, linewidth=1.3),
        "smallest to largest": Line2D([], [], color=GREY, alpha=0.45, linewidth=0.8),
    }
    if with_interval:
        legend["interval"] = Patch(facecolor=WASH, edgecolor=GREY, linewidth=0.6)
    return legend
