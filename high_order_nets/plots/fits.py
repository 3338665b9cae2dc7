"""What a regression has learned, beside what it should: a curve, maps, or values against values."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.tri import Triangulation

from ..data.points.module import PointDataModule
from .observe import evaluated
from .style import BLUE, GREY, INK, WIDTH, head

HEIGHT, LEFT, RIGHT, BOTTOM, TOP = 2.5, 0.075, 0.985, 0.42, 0.5
"""Of a row of panels: height, and margins in parts of the width and in inches."""
BARS = 0.945
"""The right edge of maps, whose colour bars have numbers."""
MOST = 6
"""Outputs that are drawn."""


def draw(task: Any, data: PointDataModule, title: str) -> Iterator[tuple[str, Figure]]:
    """Draw what a regression says of the points of the test."""
    points = data.points
    found = data.outputs.back(evaluated(task.net, data.inputs(points.test_x)).double().cpu())
    x, y, found = (part.numpy() for part in (points.test_x, points.test_y, found))
    yield "fits", draw_fits(x, y, found, points.inputs, points.outputs, title)


def draw_fits(
    x: np.ndarray, y: np.ndarray, found: np.ndarray, inputs: Sequence[str], outputs: Sequence[str], title: str
) -> Figure:
    """Draw outputs `found` (N, outputs) at x (N, inputs) beside the right ones y, in the units of the data.

    One input gives curves, two give maps of y, of what was found and of the error, more give values against values.
    """
    shown = list(outputs)[:MOST]
    if len(inputs) == 2:
        return _maps(x, y, found, inputs, shown, title)
    figure, places = _panels(len(shown), min(len(shown), 3))
    for place, (axes, name) in enumerate(zip(places, shown, strict=True)):
        if len(inputs) == 1:
            _curve(axes, x[:, 0], y[:, place], found[:, place])
            axes.set(xlabel=inputs[0], ylabel=name)
        else:
            _against(axes, y[:, place], found[:, place])
            axes.set(xlabel=f"{name}, data", ylabel=f"{name}, network")
    handles, labels = places[0].get_legend_handles_labels()
    head(figure, title, dict(zip(labels, handles, strict=True)), LEFT * WIDTH)
    return figure


def _panels(count: int, wide: int, right: float = RIGHT, between: float = 0.28) -> tuple[Figure, list[Axes]]:
    rows = -(-count // wide)
    figure = Figure(figsize=(WIDTH, HEIGHT * rows))
    place = {"left": LEFT, "right": right, "bottom": BOTTOM / HEIGHT / rows, "top": 1 - TOP / HEIGHT / rows}
    axes = figure.subplots(rows, wide, squeeze=False, gridspec_kw=place | {"wspace": between, "hspace": 0.35})
    for spare in axes.flat[count:]:
        spare.remove()
    return figure, list(axes.flat[:count])


def _curve(axes: Axes, x: np.ndarray, y: np.ndarray, found: np.ndarray) -> None:
    order = np.argsort(x)
    axes.plot(x[order], y[order], color=GREY, linewidth=2.5, label="data")
    axes.plot(x[order], found[order], color=BLUE, label="network")


def _against(axes: Axes, y: np.ndarray, found: np.ndarray) -> None:
    ends = [min(y.min(), found.min()), max(y.max(), found.max())]
    axes.plot(ends, ends, color=GREY, linewidth=0.8, label="equal")
    axes.scatter(y, found, s=3, color=BLUE, linewidths=0, label="point of the test")


def _maps(
    x: np.ndarray, y: np.ndarray, found: np.ndarray, inputs: Sequence[str], outputs: list[str], title: str
) -> Figure:
    figure, places = _panels(3 * len(outputs), 3, BARS, 0.34)
    triangles = _triangles(x)
    for place, name in enumerate(outputs):
        right, network = y[:, place], found[:, place]
        low, high = float(right.min()), float(right.max())
        error = network - right
        most = float(np.abs(error).max()) or 1.0
        panels = (
            (right, f"{name}, data", "viridis", low, high),
            (network, f"{name}, network", "viridis", low, high),
            (error, "network − data", "RdBu_r", -most, most),
        )
        for axes, (values, label, colours, bottom, top) in zip(places[3 * place :], panels, strict=False):
            axes.set(xlabel=inputs[0], ylabel=inputs[1] if values is right else "")
            axes.set_title(label, loc="left", color=INK)
            shades = _shaded(axes, triangles, x, values, colours, bottom, top)
            figure.colorbar(shades, ax=axes, pad=0.03).outline.set_visible(False)  # type: ignore[operator]
    head(figure, title, {}, LEFT * WIDTH)
    return figure


def _triangles(x: np.ndarray) -> Triangulation | None:
    """Join the points to triangles; None where they are too few or on a line."""
    try:
        return Triangulation(x[:, 0], x[:, 1])
    except (RuntimeError, ValueError):
        return None


def _shaded(
    axes: Axes,
    triangles: Triangulation | None,
    x: np.ndarray,
    values: np.ndarray,
    colours: str,
    low: float,
    high: float,
):  # -> a thing that a colour bar takes
    if triangles is None:
        return axes.scatter(x[:, 0], x[:, 1], c=values, cmap=colours, vmin=low, vmax=high, s=4)
    return axes.tripcolor(triangles, values, cmap=colours, vmin=low, vmax=high, shading="gouraud", rasterized=True)
