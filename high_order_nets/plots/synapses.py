"""Learned functions of a few connections a layer, over the histogram of the inputs that they saw."""

import math
from typing import Any

import matplotlib
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from ..layers import HighOrderLayer
from .functions import Functions, learned_functions
from .observe import Watched
from .style import BLUE, GREY, MINT, WASH, WIDTH, head, percent, shorten

SAMPLED = 2048
"""Connections a layer from which the band is made."""
STRENGTHS = (0.5, 0.75, 0.9, 0.97, 1.0)
"""Quantiles of strength at which connections are drawn. Strength is a function's standard deviation over the inputs."""
POINTS, BINS = 241, 60

GRIDS: tuple[tuple[float, int, float, int], ...] = (
    (2, 2, WIDTH, 40),
    (9, 3, WIDTH, 30),
    (24, 4, WIDTH, 24),
    (math.inf, 6, 1.5 * WIDTH, 24),
)
"""For up to so many layers: columns, inches of width, letters of a name."""
ROOM = 1.5
"""Height of the inputs' axes in units of the highest bar: room for a few words."""
SPIKE = 0.2
"""Part of all inputs from which a bar may be cut off."""

# Inches.
PANEL, STRIP, GAP = 1.2, 0.34, 0.04
LEFT, RIGHT, ABOVE, BELOW = 0.56, 0.1, 0.27, 0.22
HEADER, FOOTER = 0.45, 0.2


def draw_synapses(layers: dict[str, Watched], title: str) -> Figure:
    """Draw a panel a layer, by name: functions with their nodes, the band of all, and the inputs below."""
    _, columns, width, letters = next(grid for grid in GRIDS if len(layers) <= grid[0])
    rows = math.ceil(len(layers) / columns)
    figure = Figure(figsize=(width, HEADER + rows * (ABOVE + PANEL + GAP + STRIP + BELOW) + FOOTER))
    drawn = []
    for place, (name, watched) in enumerate(layers.items()):
        upper, lower = _axes(figure, *divmod(place, columns), width / columns)
        drawn.append(_panel(upper, lower, watched))
        upper.set_title(shorten(name, letters), loc="left", pad=3, fontsize=8 if columns < 4 else 7)
        if place % columns == 0:
            upper.set_ylabel("f (x) − f (0)" if drawn[-1].only_shape else "f (x)")
            upper.yaxis.set_label_coords(-0.4 / (width / columns - LEFT - RIGHT), 0.5)
        if place + columns >= len(layers):
            lower.set_xlabel(f"{'aligned ' * watched.aligned}input x of the layer", labelpad=2)
    head(figure, title, _legend(drawn), LEFT)
    return figure


def _axes(figure: Figure, row: int, column: int, width: float) -> tuple[Axes, Axes]:
    """Place the two axes of a panel, in inches: all panels are of one size, whatever their labels say."""
    total_width, total_height = figure.get_size_inches()
    x, inner = (column * width + LEFT) / total_width, (width - LEFT - RIGHT) / total_width
    top = total_height - HEADER - row * (ABOVE + PANEL + GAP + STRIP + BELOW) - ABOVE
    upper = figure.add_axes((x, (top - PANEL) / total_height, inner, PANEL / total_height))
    bottom = top - PANEL - GAP - STRIP
    lower = figure.add_axes((x, bottom / total_height, inner, STRIP / total_height), sharex=upper)
    upper.tick_params(axis="x", labelbottom=False, length=0)
    return upper, lower


def _panel(upper: Axes, lower: Axes, watched: Watched) -> Functions:
    functions = learned_functions(watched.layer, SAMPLED)
    low, high = _span(watched, functions)
    _draw_functions(upper, functions, watched, low, high)
    _draw_inputs(lower, watched, low, high)
    lower.set_xlim(low, high)
    if watched.half is not None:
        _mark_interval(upper, watched.half, low, high)
        _mark_interval(lower, watched.half, low, high, reach=1 / ROOM)
        ticks = (-2 * watched.half, -watched.half, 0.0, watched.half, 2 * watched.half)
        lower.set_xticks([tick for tick in ticks if low <= tick <= high])
    return functions


def _span(watched: Watched, functions: Functions) -> tuple[float, float]:
    """Show the whole interval and nearly all inputs, but no more than two and a half times the interval."""
    half = watched.half
    seen = watched.inputs.quantiles(0.002, 0.998) if len(watched.inputs.values) else [-1.0, 1.0]
    if half is None:
        margin = 0.05 * (seen[1] - seen[0]) or 1.0
        return seen[0] - margin, seen[1] + margin
    nodes = functions.nodes()
    least = 1.7 if nodes is not None and nodes[0].isinf().any() else 1.15  # how the functions level off shows late
    return max(min(seen[0], -least * half), -2.5 * half), min(max(seen[1], least * half), 2.5 * half)


def _grid(functions: Functions, low: float, high: float) -> Tensor:
    """Spread points over low … high; where functions jump, one on either side and a NaN between, which breaks lines."""
    x, step = torch.linspace(low, high, POINTS, dtype=torch.float64), (high - low) * 1e-6
    for jump in functions.jumps().tolist():
        place = int((x < jump).sum()) + int(x.isnan().sum())  # jumps come in order: the NaNs so far lie to the left
        x = torch.cat([x[:place], x.new_tensor([jump - step, math.nan, jump + step]), x[place:]])
    return x


def _draw_functions(axes: Axes, functions: Functions, watched: Watched, low: float, high: float) -> None:
    x = _grid(functions, low, high)
    y, offset = functions(x), functions.offset()
    y -= offset
    chosen = _by_strength(functions, watched)
    band, solid = torch.quantile(y, y.new_tensor([0.05, 0.95]), 0), x.isfinite()
    axes.fill_between(x[solid], band[0, solid], band[1, solid], color=MINT, linewidth=0, zorder=1)
    axes.axhline(0, color=GREY, linewidth=0.4, zorder=1.5)
    lines = [torch.stack([x, y[connection]], 1).numpy() for connection in chosen]
    axes.add_collection(LineCollection(lines, colors=_colours(len(chosen)), zorder=2), autolim=False)
    shown = torch.cat([y[chosen], band])[:, _counts(x, watched)].flatten()
    nodes = functions.nodes()
    if nodes is not None:
        values = (nodes[1] - offset)[chosen]
        _draw_nodes(axes, nodes[0], values, low, high)
        shown = torch.cat([shown, values.flatten()])
    _limit(axes, shown[shown.isfinite()])


def _by_strength(functions: Functions, watched: Watched) -> list[int]:
    """Pick connections from the middling to the strongest one."""
    x = watched.inputs.values[:512].double()
    strength = functions(x if len(x) > 1 else torch.linspace(-1, 1, 9, dtype=torch.float64)).std(1)
    order = strength.argsort()
    places = torch.tensor(STRENGTHS) * (len(order) - 1)
    return list(dict.fromkeys(order[places.round().long()].tolist()))


def _colours(count: int) -> np.ndarray:
    return matplotlib.colormaps["viridis"](np.linspace(0.88, 0.0, count))


def _counts(x: Tensor, watched: Watched) -> Tensor:
    """Say which x decide the height of the panel: all where functions are bounded, else the interval or most inputs."""
    if isinstance(watched.layer, HighOrderLayer):
        tails = watched.layer.synapse.domain in ("extrapolate", "linear")
        return x.abs() <= watched.layer.synapse.basis.length / (2 if tails else 1e-9)
    low, high = watched.inputs.quantiles(0.02, 0.98) if len(watched.inputs.values) else [-1.0, 1.0]
    return (x >= low) & (x <= high)


def _limit(axes: Axes, shown: Tensor) -> None:
    low, high = (float(end) for end in torch.aminmax(shown)) if len(shown) else (-1.0, 1.0)
    margin = 0.07 * (high - low) or 1.0
    axes.set_ylim(low - margin, high + margin)
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))


def _draw_nodes(axes: Axes, x: Tensor, values: Tensor, low: float, high: float) -> None:
    """Draw the nodes as dots, and those that only ±inf reaches as triangles on the frame."""
    colours = _colours(len(values))
    shapes = ((x.isfinite(), x, "o", 13), (x == -math.inf, low, "<", 17), (x == math.inf, high, ">", 17))
    for here, at, marker, size in shapes:
        position = torch.as_tensor(at).expand_as(x)[here].expand(len(values), -1)
        colour = colours.repeat(position.shape[1], 0)
        style = {"edgecolors": "white", "linewidths": 0.4, "zorder": 3, "clip_on": False}
        axes.scatter(position.flatten(), values[:, here].flatten(), s=size, c=colour, marker=marker, **style)


def _draw_inputs(axes: Axes, watched: Watched, low: float, high: float) -> None:
    """Draw the histogram, with bins that end where the interval does, and say how much lies beyond."""
    half = watched.half or (high - low) / 2
    width = 2 * half / max(1, round(BINS * 2 * half / (high - low)))
    start = -half if watched.half else low
    edges = start + width * np.arange(math.floor((low - start) / width), math.ceil((high - start) / width) + 1)
    counts, _ = np.histogram(watched.inputs.values.numpy(), edges)
    axes.stairs(counts, edges, fill=True, color=BLUE, alpha=0.8, linewidth=0, zorder=2)
    _cut_spikes(axes, counts, edges)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    if watched.half is not None and watched.outside >= 0.0005:
        said = f"{percent(watched.outside)} outside"
        axes.text(0.99, 0.97, said, transform=axes.transAxes, ha="right", va="top", fontsize=6, color=BLUE)


def _cut_spikes(axes: Axes, counts: np.ndarray, edges: np.ndarray) -> None:
    """Let the other bars decide the height where one has a large part of all: black pixels, what ReLU made zero."""
    spikes = counts > SPIKE * counts.sum()
    others = counts[~spikes].max(initial=0)
    height = 2 * others if spikes.any() and others else max(1, counts.max())
    axes.set_ylim(0, ROOM * height)
    for spike in np.flatnonzero(spikes & (counts > height)):
        axes.stairs([ROOM * height], edges[spike : spike + 2], fill=True, color=BLUE, linewidth=0, zorder=2)
        said = f" {100 * counts[spike] / counts.sum():.0f} %"
        axes.text(edges[spike + 1], ROOM * height, said, va="top", fontsize=6, color=BLUE)


def _mark_interval(axes: Axes, half: float, low: float, high: float, reach: float = 1.0) -> None:
    for start, end in ((low, -half), (half, high)):
        axes.axvspan(start, end, color=WASH, linewidth=0, zorder=0)
    for edge in (-half, half):
        axes.axvline(edge, ymax=reach, color=GREY, linewidth=0.6, dashes=(4, 3), zorder=1.5)


def _legend(drawn: list[Functions]) -> dict[str, Any]:
    """Explain what there is to be seen."""
    colours = _colours(len(STRENGTHS))
    nodes = [functions.nodes() for functions in drawn]
    legend: dict[str, Any] = {
        "median to strongest connection": tuple(Line2D([], [], color=colour) for colour in colours),
        "90 % of connections": Patch(color=MINT, linewidth=0),
    }
    dot = {"linestyle": "", "color": colours[2], "markeredgecolor": "white", "markeredgewidth": 0.4}
    if any(found is not None for found in nodes):
        legend["node"] = Line2D([], [], marker="o", markersize=4, **dot)
    if any(found is not None and found[0].isinf().any() for found in nodes):
        legend["node at ±∞"] = Line2D([], [], marker=">", markersize=4.5, **dot)
    legend["inputs"] = Patch(color=BLUE, alpha=0.8, linewidth=0)
    if any(functions.synapse is not None for functions in drawn):
        legend["interval"] = Line2D([], [], color=GREY, linewidth=0.6, dashes=(4, 3))
    return legend
