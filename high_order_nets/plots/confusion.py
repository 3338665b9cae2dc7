"""Which class is taken for which."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from torch import Tensor

from .style import INK, WIDTH, head, percent, shorten

NUMBERED, NAMED = 20, 120
"""Classes up to which counts stand in the cells, and names beside them."""
LEFT, RIGHT, BOTTOM, TOP = 0.95, 0.15, 0.9, 0.55
"""Margins in inches."""
LONGEST = 14
"""Letters of a class's name that there is room for."""


def draw_confusion(confusion: Tensor, names: Sequence[str], title: str) -> Figure:
    """Draw counts (true, predicted), coloured by their share of the true class, on a scale that shows rare ones."""
    counts = confusion.double().numpy()
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = WIDTH - LEFT - RIGHT
    height = side + BOTTOM + TOP
    figure = Figure(figsize=(WIDTH, height))
    axes = figure.add_axes((LEFT / WIDTH, BOTTOM / height, side / WIDTH, side / height))
    axes.imshow(shares, cmap="Blues", norm=PowerNorm(0.5, 0, 1), aspect="auto", interpolation="nearest")
    _name(axes, names)
    if len(names) <= NUMBERED:
        _number(axes, counts, shares)
    right = np.trace(counts) / max(counts.sum(), 1)
    head(figure, title, {}, LEFT)
    said = f"{counts.sum():,.0f} test items, {percent(right)} on the diagonal; colour: √ of the share of the true class"
    figure.text(LEFT / WIDTH, 1 - 0.28 / height, said, va="top", fontsize=7.5)
    return figure


def _name(axes: Axes, names: Sequence[str]) -> None:
    """Name the classes, in letters as small as it takes."""
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    if len(names) > NAMED:
        return
    size = min(7.0, 360 / len(names))
    shown = [shorten(name, LONGEST) for name in names]
    axes.set_xticks(range(len(names)), shown, rotation=90, fontsize=size)
    axes.set_yticks(range(len(names)), shown, fontsize=size)
    axes.tick_params(length=1.5, pad=1)


def _number(axes: Axes, counts: np.ndarray, shares: np.ndarray) -> None:
    """Write the counts into the cells, nothing where there is none."""
    for row, column in np.argwhere(counts):
        ink = "white" if shares[row, column] > 0.4 else INK
        said = f"{counts[row, column]:.0f}"
        axes.text(column, row, said, ha="center", va="center", fontsize=6.5, color=ink)
