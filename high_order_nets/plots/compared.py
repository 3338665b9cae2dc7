"""What several regressions on the same points have learned, beside each other: a curve or a map each."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..data.factory import located, make_data
from ..data.points.module import PointDataModule
from ..inference.load import load
from ..inference.regressor import Regressor
from ..metrics import headline
from .style import BLUE, GREY, INK, WIDTH, head

ACROSS, MOST = 4, 24
"""Panels in a row, and in all."""
FINE = {1: 1001, 2: 201}
"""Values of each input at which a network is evaluated, by the number of inputs."""
LEFT, RIGHT, TOP, BOTTOM, HEIGHT = 0.075, (0.985, 0.915), 0.9, 0.42, 1.85
"""Edges of the panels in parts of the width, of curves and of maps; top, bottom and a row of panels in inches."""
LETTERS = 27
"""Letters of a name that fit on a panel."""


def draw_compared(runs: Sequence[tuple[str, Path]], title: str) -> Figure | None:
    """Draw the first output of the runs in these folders, by name, where data have one or two inputs; else None.

    The runs are of one data set, and drawn on the range of its points.
    """
    opened = [(name, load(folder)) for name, folder in runs[:MOST]]
    if not all(isinstance(net, Regressor) and len(net.inputs) in FINE for _, net in opened):
        return None
    nets: list[tuple[str, Any]] = opened
    data = make_data(located(nets[0][1].metadata["config"]))
    assert isinstance(data, PointDataModule)
    x, y = data.points.test_x.numpy(), data.points.test_y[:, 0].numpy()
    maps = x.shape[1] == 2
    figure, panels = _panels(len(nets) + maps, RIGHT[maps])
    inputs, output = data.points.inputs, data.points.outputs[0]
    if not maps:
        handles = [_curve(axes, name, net, x[:, 0], y) for axes, (name, net) in zip(panels, nets, strict=True)]
        legend = dict(zip((f"{output}, data", f"{output}, network"), handles[0], strict=True))
    else:
        legend = {}
        _maps(figure, panels, x, y, nets)
        panels[0].set_title(f"{output}, data", loc="left", color=INK, fontsize=7)
    for axes in panels[-ACROSS:]:
        axes.set_xlabel(inputs[0])
    for axes in panels[::ACROSS]:
        axes.set_ylabel(inputs[1] if maps else output)
    left_out = f" · the first {MOST} of {len(runs)}" if len(runs) > MOST else ""
    head(figure, title + left_out, legend, LEFT * WIDTH)
    return figure


def _panels(count: int, right: float) -> tuple[Figure, list[Axes]]:
    rows, across = -(-count // ACROSS), min(count, ACROSS)
    height = TOP + BOTTOM + rows * HEIGHT
    figure = Figure(figsize=(WIDTH, height))
    place = {"left": LEFT, "right": right, "bottom": BOTTOM / height, "top": 1 - TOP / height}
    axes = figure.subplots(
        rows, across, squeeze=False, sharex=True, sharey=True, gridspec_kw=place | {"wspace": 0.12, "hspace": 0.42}
    )
    for spare in axes.flat[count:]:
        spare.remove()
    return figure, list(axes.flat[:count])


def _named(name: str, net: Any) -> str:
    metrics, judged = net.metadata["metrics"], headline(net.metadata["metrics"])
    first = "\n".join(textwrap.wrap(name, LETTERS, max_lines=2, placeholder=" …"))
    return f"{first}\n{metrics['parameters']:,} parameters, {judged} {metrics[f'test_{judged}']:.2g}"


@torch.no_grad()
def _evaluated(net: Any, x: np.ndarray) -> np.ndarray:
    return net(torch.from_numpy(x))[:, 0].double().numpy()


def _curve(axes: Axes, name: str, net: Any, x: np.ndarray, y: np.ndarray) -> list[Any]:
    order, fine = np.argsort(x), np.linspace(x.min(), x.max(), FINE[1])
    (data,) = axes.plot(x[order], y[order], color=GREY, linewidth=2.2)
    (found,) = axes.plot(fine, _evaluated(net, fine[:, None]), color=BLUE, linewidth=0.9)
    margin = 0.25 * (y.max() - y.min())
    axes.set_ylim(y.min() - margin, y.max() + margin)
    axes.set_title(_named(name, net), loc="left", color=INK, fontsize=7)
    return [data, found]


def _maps(figure: Figure, panels: Sequence[Axes], x: np.ndarray, y: np.ndarray, nets: Sequence[Any]) -> None:
    spread = {"vmin": y.min(), "vmax": y.max(), "cmap": "viridis"}
    panels[0].scatter(x[:, 0], x[:, 1], c=y, s=2, linewidths=0, **spread)
    sides = [np.linspace(x[:, i].min(), x[:, i].max(), FINE[2]) for i in (0, 1)]
    across, up = np.meshgrid(*sides)
    points = np.stack([across.ravel(), up.ravel()], 1)
    extent = (sides[0][0], sides[0][-1], sides[1][0], sides[1][-1])
    for axes, (name, net) in zip(panels[1:], nets, strict=True):
        shades = axes.imshow(
            _evaluated(net, points).reshape(across.shape), origin="lower", extent=extent, aspect="auto", **spread
        )
        axes.set_title(_named(name, net), loc="left", color=INK, fontsize=7)
    top, bottom = panels[0].get_position().y1, panels[min(len(panels), ACROSS) - 1].get_position().y0
    bar = figure.add_axes((RIGHT[True] + 0.015, bottom, 0.012, top - bottom))
    figure.colorbar(shades, cax=bar).outline.set_visible(False)  # type: ignore[operator]
