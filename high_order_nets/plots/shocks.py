"""A solution of Burgers' equation: over space and time, beside the exact one, and at three times."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import nn

from ..basis import Piecewise
from ..data.points.burgers import BOUNDS, exact
from ..data.points.module import PointDataModule
from ..layers import HighOrderLayer
from .observe import evaluated
from .style import BLUE, COLOURS, GREY, INK, WIDTH, head

HEIGHT = 4.6
TIMES = (0.25, 0.5, 1.0)
ACROSS, ALONG = 401, 101
"""Places in x and in t that are drawn."""


def draw(task: Any, data: PointDataModule, title: str) -> Iterator[tuple[str, Figure]]:
    """Draw what a network has for the solution."""
    (left, start), (right, end) = BOUNDS
    x = torch.linspace(left, right, ACROSS, dtype=torch.float64)
    t = torch.linspace(start, end, ALONG, dtype=torch.float64)

    def solution(t: torch.Tensor) -> np.ndarray:
        """u at these times and all x: (times, ACROSS)."""
        places = torch.stack([x.repeat(len(t)), t.repeat_interleave(len(x))], 1)
        found = evaluated(task.net, data.inputs(places))
        return data.outputs.back(found.double().cpu()).view(len(t), -1).numpy()

    times = torch.tensor(TIMES, dtype=torch.float64)
    maps = solution(t), exact(x, t[:, None]).numpy()
    slices = solution(times), exact(x, times[:, None]).numpy()
    yield "shock", draw_shock(x.numpy(), maps, slices, knots(task.net, data), title)


def knots(net: nn.Module, data: PointDataModule) -> np.ndarray:
    """Give the x at which the pieces of the first layer meet; none where it has no pieces."""
    layer = next((module for module in net.modules() if isinstance(module, HighOrderLayer)), None)
    if layer is None or not isinstance(layer.synapse.basis, Piecewise):
        return np.zeros(0)
    basis = layer.synapse.basis
    places = torch.linspace(-basis.length / 2, basis.length / 2, basis.segments + 1, dtype=torch.float64)
    return data.inputs.back(places[:, None].repeat(1, 2))[:, 0].numpy()


def draw_shock(
    x: np.ndarray,
    maps: tuple[np.ndarray, np.ndarray],
    slices: tuple[np.ndarray, np.ndarray],
    meet: np.ndarray,
    title: str,
) -> Figure:
    """Draw u (times, places) of the network and the exact one: maps with their difference, slices below.

    `meet` are the x where pieces meet, marked in the slices.
    """
    figure = Figure(figsize=(WIDTH, HEIGHT))
    place = {"left": 0.075, "right": 0.96, "wspace": 0.3}
    above = figure.subplots(1, 3, gridspec_kw=place | {"bottom": 0.57, "top": 0.86})
    below = figure.subplots(1, len(TIMES), sharey=True, gridspec_kw=place | {"bottom": 0.09, "top": 0.4, "wspace": 0.1})
    found, right = maps
    error = found - right
    most = float(np.abs(error).max()) or 1.0
    panels = (
        (found, "u, network", 1.0),
        (right, "u, exact", 1.0),
        (error, "network − exact", most),
    )
    for axes, (values, name, bound) in zip(above, panels, strict=True):
        shades = axes.imshow(
            values,
            origin="lower",
            extent=(x[0], x[-1], BOUNDS[0][1], BOUNDS[1][1]),
            aspect="auto",
            cmap="RdBu_r",
            vmin=-bound,
            vmax=bound,
        )
        axes.set(xlabel="x", ylabel="t" if values is found else "")
        axes.set_title(name, loc="left", color=INK)
        figure.colorbar(shades, ax=axes, pad=0.03).outline.set_visible(False)  # type: ignore[operator]
    for axes, time, network, solution in zip(below, TIMES, *slices, strict=True):
        axes.plot(x, solution, color=GREY, linewidth=2.5, label="exact")
        axes.plot(x, network, color=BLUE, label="network")
        axes.plot(meet, np.full_like(meet, -1.15), "|", color=COLOURS[1], markersize=5, label="pieces meet")
        axes.set(xlabel="x", ylabel="u" if axes is below[0] else "", ylim=(-1.25, 1.1))
        axes.set_title(f"t = {time:g}", loc="left", color=INK)
    handles, labels = below[0].get_legend_handles_labels()
    shown = {label: handle for label, handle in zip(labels, handles, strict=True) if label != labels[2] or len(meet)}
    head(figure, title, shown, 0.075 * WIDTH)
    return figure
