"""A small fully connected network with its functions on the edges."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ..inference.attribution import Traced
from .style import BLUE, GREY, INK, WIDTH, head

ROW, BOX, HEADER, BELOW = 1.5, 0.55, 0.6, 0.35
"""Inches: height of a layer, side of a function's box, room for the title and below the inputs."""
FAINT = 0.03
"""Importance, as a part of the largest of a layer, below which a connection is only hinted at."""


def draw_network(
    traced: Sequence[Traced],
    inputs: Sequence[str],
    outputs: Sequence[str],
    title: str,
    words: Sequence[Sequence[str]] = (),
) -> Figure:
    """Draw inputs at the bottom and outputs at the top, each connection with its function over the inputs it got.

    The darker a connection, the more of the network's outputs runs through it. `words` has, a layer, what to write
    at each of its functions, output by output.
    """
    widest = max(layer.importance.numel() for layer in traced)
    width = max(WIDTH / 2, min(2 * WIDTH, 1.3 * BOX * widest))
    height = HEADER + ROW * len(traced) + BELOW
    figure = Figure(figsize=(width, height))
    whole = figure.add_axes((0, 0, 1, 1))
    whole.set(xlim=(0, width), ylim=(0, height))
    whole.axis("off")
    for place, layer in enumerate(traced):
        _layer(figure, whole, layer, BELOW + ROW * place, width, list(words[place]) if words else [])
    for names, y, low in ((inputs, BELOW, True), (outputs, BELOW + ROW * len(traced), False)):
        for name, x in zip(names, _spread(len(names), width), strict=True):
            whole.text(x, y + (-0.12 if low else 0.1), name, ha="center", va="top" if low else "bottom", fontsize=8)
    head(figure, title, {}, 0.1)
    return figure


def _spread(count: int, width: float) -> np.ndarray:
    """Places of so many things side by side, in inches."""
    return (np.arange(count) + 0.5) * width / count


def _layer(figure: Figure, whole: Axes, layer: Traced, bottom: float, width: float, words: list[str]) -> None:
    out, inp = layer.importance.shape
    below, above = _spread(inp, width), _spread(out, width)
    boxes = _spread(out * inp, width)
    strongest = float(layer.importance.max()) or 1.0
    middle = bottom + ROW / 2
    for o in range(out):
        for i in range(inp):
            x = boxes[o * inp + i]
            strength = float(layer.importance[o, i]) / strongest
            shade = 0.12 if strength < FAINT else 0.3 + 0.7 * strength
            line = {"color": INK, "alpha": shade, "linewidth": 0.9, "zorder": 1}
            whole.plot([below[i], x], [bottom, middle - BOX / 2], **line)
            whole.plot([x, above[o]], [middle + BOX / 2, bottom + ROW], **line)
            _function(figure, x, middle, width, layer.inputs[:, i], layer.values[:, o, i], shade)
            if words:
                where = {"ha": "center", "va": "top", "fontsize": 6.5, "color": BLUE, "zorder": 3}
                behind = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
                whole.text(x, middle - BOX / 2 - 0.04, words[o * inp + i], bbox=behind, **where)
    for places, y in ((below, bottom), (above, bottom + ROW)):
        whole.plot(places, [y] * len(places), marker="o", markersize=4, color=INK, linestyle="", zorder=2)


def _function(figure: Figure, x: float, y: float, width: float, given: Tensor, values: Tensor, shade: float) -> None:
    """Draw a function in a box around a place, over the inputs that it got."""
    height = figure.get_figheight()
    side = min(BOX, 0.9 * width)
    box = figure.add_axes(((x - side / 2) / width, (y - side / 2) / height, side / width, side / height))
    order = given.argsort()
    box.plot(given[order].numpy(), values[order].numpy(), color=BLUE, alpha=shade, linewidth=1)
    box.set(xticks=[], yticks=[])
    for spine in box.spines.values():
        spine.set_visible(True)
        spine.set_color(GREY)
        spine.set_alpha(shade)
