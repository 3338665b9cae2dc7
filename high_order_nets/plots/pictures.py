"""A picture, what a network gives back of it, and the error."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ..data.points.module import PointDataModule
from .observe import evaluated
from .style import INK, WIDTH, head

LEFT, RIGHT, BETWEEN = 0.02, 0.9, 0.04
"""Edges of the row of panels, in parts of the width, and the space between two of them in parts of one."""
TOP, BOTTOM = 0.52, 0.08
"""Inches above and below the panels."""


def draw(task: Any, data: PointDataModule, title: str) -> Iterator[tuple[str, Figure]]:
    """Draw what the network says of all pixels."""
    points = data.points
    found = data.outputs.back(evaluated(task.net, data.inputs(points.test_x)).double().cpu())
    width = len(points.test_x[:, 0].unique())
    picture, fit = (part.unflatten(0, (-1, width)).numpy() for part in (points.test_y, found))
    yield "picture", draw_picture(picture, fit.clip(0, 1), title)


def draw_picture(picture: np.ndarray, fit: np.ndarray, title: str) -> Figure:
    """Draw a picture (height, width, 1 or 3) beside its fit and the error of each pixel, its root mean square."""
    height, width = picture.shape[:2]
    errors = np.sqrt(np.square(fit - picture).mean(-1))
    psnr = -10 * np.log10(np.square(fit - picture).mean())
    panel = WIDTH * (RIGHT - LEFT) / (3 + 2 * BETWEEN)
    tall = panel * height / width + TOP + BOTTOM
    figure = Figure(figsize=(WIDTH, tall))
    place = {"left": LEFT, "right": RIGHT, "bottom": BOTTOM / tall, "top": 1 - TOP / tall, "wspace": BETWEEN}
    axes = figure.subplots(1, 3, gridspec_kw=place)
    heads = (f"picture, {width} × {height}", f"network, {psnr:.2f} dB", "error of a pixel, root mean square")
    for each, name in zip(axes, heads, strict=True):
        each.set_axis_off()
        each.set_title(name, loc="left", color=INK, pad=4)
    for each, values in zip(axes, (picture, fit), strict=False):
        shown = values if values.shape[-1] == 3 else values.repeat(3, -1)
        each.imshow(shown, interpolation="nearest")
    shades = axes[2].imshow(errors, cmap="magma", vmin=0, interpolation="nearest")
    edge = axes[2].get_position()
    bar = figure.add_axes((edge.x1 + 0.012, edge.y0, 0.012, edge.height))
    figure.colorbar(shades, cax=bar).outline.set_visible(False)  # type: ignore[operator]
    head(figure, title, {}, LEFT * WIDTH)
    return figure
