"""Draw the pictures of README and docs/: `python docs/pictures.py [NAME …]` writes docs/pictures/NAME.svg.

The same versions of matplotlib and torch give the same bytes.
"""

import argparse
import io
import itertools
import math
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from high_order_nets.basis import (
    Basis,
    ContinuousPiecewise,
    CReLU,
    DiscontinuousPiecewise,
    Fourier,
    Polynomial,
)
from high_order_nets.kernels.product import product_neuron
from high_order_nets.layers import DOMAINS, Synapse
from high_order_nets.plots import style

FOLDER = Path(__file__).parent / "pictures"
WIDTH = 8.0  # inches, as wide as a page on GitHub
COLOURS = style.COLOURS[:-1]  # without grey
BLUE = COLOURS[0]
GREY, SHADE = "#777777", "#EEEEEE"
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "high-order-nets",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "path.simplify_threshold": 0.2,
    "lines.linewidth": 1.6,
}


def main(argv: Sequence[str] | None = None) -> None:
    """Write the named pictures, all of them by default."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PICTURES)}")
    names = parser.parse_args(argv).names
    unknown = set(names) - set(PICTURES)
    if unknown:
        parser.error(f"{', '.join(sorted(unknown))}: expected names of {', '.join(PICTURES)}")
    for name in names or PICTURES:
        write(name, FOLDER)


def write(name: str, folder: Path) -> Path:
    """Draw one picture into folder/name.svg."""
    path = folder / f"{name}.svg"
    with mpl.rc_context(STYLE):
        figure = Figure(layout="constrained")
        PICTURES[name](figure)
        drawn = io.StringIO()
        # No date, and no creator: its version would change the file.
        FigureCanvasSVG(figure).print_svg(drawn, metadata={"Date": None, "Creator": None})
    path.write_text(_shortened(drawn.getvalue()), encoding="utf-8")
    return path


def draw_idea(figure: Figure) -> None:
    """Draw a number on each connection, a function on each, and one such function with its weights."""
    figure.set_size_inches(WIDTH, 2.6)
    ordinary, high, example = figure.subplots(1, 3)
    for axes, title, degree in (
        (ordinary, "ordinary: $y = Σ\\, w_i x_i$", 1),
        (high, "high order: $y = Σ f_i(x_i)$", 2),
    ):
        axes.set(xlim=(-0.35, 3.35), ylim=(-2.5, 2.5))
        axes.set_title(title)
        axes.axis("off")
        _draw_network(axes, 6, degree)
    basis = Polynomial(4)
    _mark_interval(example, basis, 1.4)
    _draw_example(example, basis, torch.tensor([-0.3, 0.8, -0.5, 0.4], dtype=torch.float64))
    example.set_title("an $f$: its weights are values at nodes")


def draw_rooms(figure: Figure) -> None:
    """Draw the rooms of the package, each above those it imports, and the way of the data by numbers."""
    figure.set_size_inches(WIDTH, 4.6)
    axes = figure.subplots()
    axes.set(xlim=(-0.05, 10.05), ylim=(-0.05, 11.05))
    axes.axis("off")
    for room, words, left, right, low, high, steps in ROOMS:
        across, up = (left + right) / 2, (low + high + 1) / 2
        box = Rectangle((left + 0.06, low + 0.07), right - left - 0.12, high - low + 0.86)
        box.set(facecolor=SHADE if room in ("ground", "cli") else "white", edgecolor=GREY)
        axes.add_patch(box)
        if high > low:
            axes.text(across, up + 0.3, room, ha="center", va="center", weight="bold")
            axes.text(across, up - 0.2, words, ha="center", va="top", color=GREY, fontsize=8)
        else:
            axes.text(left + 0.3, up, room, va="center", weight="bold")
            axes.text(
                right - 0.3 - 0.4 * len(steps.split()), up, words, va="center", ha="right", color=GREY, fontsize=8
            )
        for place, step in enumerate(reversed(steps.split())):
            spot = (right - 0.35 - 0.4 * place, high + 0.5)
            axes.plot(*spot, "o", markersize=11, color=BLUE)
            axes.text(*spot, step, ha="center", va="center_baseline", color="white", fontsize=8)


def draw_basis(basis: Basis, weights: Sequence[float], figure: Figure) -> None:
    """Draw a basis beside a function of it with these weights."""
    figure.set_size_inches(WIDTH, 2.5)
    left, right = figure.subplots(1, 2)
    _mark_interval(left, basis, 1.1)
    _mark_interval(right, basis, 1.4)
    _draw_functions(left, basis)
    _draw_example(right, basis, torch.tensor(weights, dtype=torch.float64))


def draw_fourier(basis: Fourier, weights: Sequence[float], figure: Figure) -> None:
    """Draw the terms beside a function of them over two periods."""
    figure.set_size_inches(WIDTH, 2.5)
    left, right = figure.subplots(1, 2)
    for axes, reach in ((left, 1.1), (right, 2.0)):
        _mark_interval(axes, basis, reach)
    x = torch.linspace(-0.5, 0.5, 65, dtype=torch.float64) * basis.length
    names = ("1/2", r"$\sin\theta$", r"$\cos\theta$", r"$\sin 2\theta$", r"$\cos 2\theta$")
    for name, colour, values in zip(names, COLOURS, basis.functions(x), strict=False):
        left.plot(x, values, color=colour, label=name)
    left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=5, frameon=False, handlelength=1.2)
    left.set_title(f"the {basis.n} terms, θ = 2πx/ℓ")
    x = torch.linspace(-1, 1, 161, dtype=torch.float64) * basis.length
    inside = x.abs() <= basis.length / 2
    values = torch.tensor(weights, dtype=torch.float64) @ basis.functions(x)
    right.plot(x, values, "--", color=GREY)
    right.plot(x[inside], values[inside], color=BLUE)
    right.set_title("a function over two periods")


def draw_domains(figure: Figure) -> None:
    """Draw what each domain makes of one function beyond the interval."""
    figure.set_size_inches(WIDTH, 2.2)
    basis = Polynomial(4)
    weights = basis.interpolate(lambda x: x**3 - 2.2 * x + 0.3)
    x = torch.linspace(-2.5, 2.5, 151, dtype=torch.float64)
    every = figure.subplots(1, len(DOMAINS), sharey=True)
    for axes, domain in zip(every, DOMAINS, strict=True):
        _mark_interval(axes, basis, 2.5)
        axes.plot(x, weights @ basis.functions(x), "--", color=GREY, linewidth=1)
        synapse = Synapse(basis, domain)
        own = synapse.ended(weights, torch.tensor([-1.0, 1.5]))
        axes.plot(x, own @ synapse.functions(x), color=BLUE)
        axes.set(title=domain, ylim=(-2.5, 2.5))


def draw_sharing(figure: Figure) -> None:
    """Draw three inputs and two outputs, and where the functions stand."""
    figure.set_size_inches(WIDTH, 2.6)
    titles = (
        "sharing=synapse\na function a connection",
        "sharing=channel\na function an input, then weights",
        "sharing=1\none function, then weights",
    )
    for axes, title, functions in zip(figure.subplots(1, 3), titles, (6, 3, 1), strict=True):
        axes.set(xlim=(-0.35, 3.35), ylim=(-2.5, 2.5))
        axes.set_title(title)
        axes.axis("off")
        _draw_network(axes, functions)


def draw_product(figure: Figure) -> None:
    """Draw what neurons of two inputs say of f_1, for some values of f_2."""
    figure.set_size_inches(WIDTH, 2.5)
    others = (-1.0, -0.5, 0.0, 0.5, 1.0)
    ends = torch.tensor([-1.0, 1.0], dtype=torch.float64)
    f = torch.stack(torch.meshgrid(torch.tensor(others, dtype=torch.float64), ends, indexing="ij"), -1)
    panels = {
        "sum: $f_1 + f_2$": f.sum(-1),
        "product, α = 1: $f_1 + f_2 + f_1 f_2$": product_neuron(f, 1.0),
        "product, α = 0: $f_1 f_2$": product_neuron(f, 0.0),
    }
    for axes, (title, lines) in zip(figure.subplots(1, 3, sharey=True), panels.items(), strict=True):
        for other, line, colour in zip(others, lines, COLOURS, strict=False):
            axes.plot(ends, line, color=colour)
            axes.annotate(
                f"{other:g}".replace("-", "−"), (1, float(line[1])), (4, -3), textcoords="offset points", color=colour
            )
        axes.set(title=title, xticks=[-1, 0, 1], xlim=(-1, 1), yticks=[-2, 0, 2], xlabel="$f_1$")
    figure.axes[0].set_ylabel("y")
    figure.axes[0].annotate("$f_2$ =", (1, 2), (-2, 10), textcoords="offset points")


# A room, what is typed for it, its left and right edge, its lowest and highest floor, its steps on the way of the data.
ROOMS = (
    ("cli", "the commands", 0, 10, 10, 10, "1"),
    ("sweeps", "-m  search=  table", 0, 4.4, 9, 9, "9"),
    ("training", "trainer=  max_epochs=  resume=", 4.4, 10, 9, 9, "3 7"),
    ("config", "all that is typed,\nchecked", 0, 2.2, 1, 8, "2"),
    ("run", "run_dir=", 2.2, 4.4, 1, 8, "8"),
    ("plots", "plots.*  plot", 4.4, 10, 8, 8, ""),
    ("tasks", "task=", 4.4, 10, 7, 7, "6"),
    ("inference", "ckpt=  predict  export  load()", 4.4, 10, 6, 6, ""),
    ("models", "model_name=", 4.4, 10, 5, 5, "5"),
    ("conversion", "refine.*", 4.4, 6.6, 4, 4, ""),
    ("optim", "optimizer=", 6.6, 8.6, 4, 4, ""),
    ("data", "dataset=", 8.6, 10, 1, 4, "4"),
    ("layers", "layer_type=", 4.4, 8.6, 3, 3, ""),
    ("kernels", "", 4.4, 8.6, 2, 2, ""),
    ("basis", "n=  segments=  scale=", 4.4, 8.6, 1, 1, ""),
    ("ground", "errors, files, paths, settings, names, metrics, targets, …", 0, 10, 0, 0, ""),
)
PICTURES: dict[str, Callable[[Figure], Any]] = {
    "polynomial": partial(draw_basis, Polynomial(4), [-0.3, 0.8, -0.5, 0.4]),
    "continuous": partial(draw_basis, ContinuousPiecewise(3, 2), [-0.3, 0.6, 0.7, -0.2, 0.1]),
    "discontinuous": partial(draw_basis, DiscontinuousPiecewise(3, 2), [-0.3, 0.7, 0.5, -0.6, -0.5, 0.6]),
    "fourier": partial(draw_fourier, Fourier(5), [0.2, 0.7, -0.3, 0.2, 0.3]),
    "crelu": partial(draw_basis, CReLU(), [-0.4, 0.9]),
    "domains": draw_domains,
    "sharing": draw_sharing,
    "product": draw_product,
    "idea": draw_idea,
    "rooms": draw_rooms,
}


def _shortened(svg: str) -> str:
    """Cut coordinates to hundredths of a point, put each path on a line and drop the indentation."""

    def shorten(path: re.Match[str]) -> str:
        return re.sub(r"(\.\d\d)\d+", r"\1", path.group()).replace("\n", " ").replace("  ", " ")

    return re.sub(r"\n\s+", "\n", re.sub(r' (d|x|y)="[^"]*"', shorten, svg))


def _mark_interval(axes: Axes, basis: Basis, reach: float) -> None:
    """Shade [-ℓ/2, ℓ/2] and show reach times as much; dotted lines at the knots."""
    half = basis.length / 2
    axes.axvspan(-half, half, color=SHADE, linewidth=0, zorder=0)
    axes.axhline(0, color=GREY, linewidth=0.6, zorder=1)
    for knot in basis.breaks[1:-1].tolist():
        axes.axvline(knot, color=GREY, linewidth=0.8, linestyle=":", zorder=1)
    axes.set_xlim(-reach * half, reach * half)
    axes.set_xticks([-half, 0, half], ["−ℓ/2", "0", "ℓ/2"])
    axes.locator_params(axis="y", nbins=4)


def _points(basis: Basis, inside: bool) -> Tensor:
    """Give points of each segment, a knot's left one a hair before it; without `inside` also of the ends' outsides."""
    edges = basis.breaks.tolist()
    edges = edges if inside else [edges[0] * 1.4, *edges, edges[-1] * 1.4]
    count = 1 + 40 // (len(basis.breaks) - 1)
    pieces = [torch.linspace(a, b - 1e-9, count, dtype=torch.float64) for a, b in itertools.pairwise(edges)]
    return torch.stack(pieces)


def _draw_functions(axes: Axes, basis: Basis) -> None:
    """Draw b_1 … b_M, each only where it is not zero, named above its node."""
    x = _points(basis, inside=True)
    peaks = _places(basis)
    for j, values in enumerate(basis.functions(x)):
        colour = COLOURS[j % len(COLOURS)]
        shown = values.where(values.abs().amax(1, keepdim=True) > 1e-6, math.nan)
        axes.plot(x.flatten(), shown.flatten(), color=colour)
        axes.plot(peaks[j], 1, "o", color=colour, markersize=4, clip_on=False)
        shift = 6 * (peaks.count(peaks[j]) - 1) * (-1 if _ends_a_segment(basis, j) else 1)  # two nodes at a knot
        axes.annotate(f"$b_{j}$", (peaks[j], 1), (shift, 4), textcoords="offset points", ha="center", color=colour)
    axes.set_ylim(top=1.25)
    axes.set_title(f"the {basis.weights} functions $b_j$ of the weights $w_j$")


def _draw_example(axes: Axes, basis: Basis, weights: Tensor) -> None:
    """Draw Σ w_j b_j with its values at the nodes, dashed beyond the interval."""
    edges = basis.breaks.abs().max() + 1e-6
    for piece in _points(basis, inside=False):
        outside = bool(piece.abs().max() > edges)
        axes.plot(piece, weights @ basis.functions(piece), "--" if outside else "-", color=GREY if outside else BLUE)
    for j, (place, weight) in enumerate(zip(_places(basis), weights.tolist(), strict=True)):
        face = "white" if _ends_a_segment(basis, j) else BLUE  # a knot belongs to the segment on its right
        axes.plot(place, weight, "o", color=BLUE, markerfacecolor=face, markersize=5)
        # Above the curve: on the left where it rises.
        before, after = weights @ basis.functions(torch.tensor([place - 2e-3, place - 1e-3], dtype=torch.float64))
        offset, side = ((-3, 4), "right") if after > before else ((3, 4), "left")
        axes.annotate(f"$w_{j}$", (place, weight), offset, textcoords="offset points", ha=side)
    axes.set_ylim(-1.3, 1.3)
    axes.set_title("a function $f = Σ w_j b_j$, dashed as it extrapolates")


def _places(basis: Basis) -> list[float]:
    """Give the places whose values the weights are."""
    nodes = basis.nodes()
    return [-basis.length / 2, basis.length / 2] if nodes is None else nodes.tolist()


def _ends_a_segment(basis: Basis, j: int) -> bool:
    """Say whether node j is the right end of a segment, with weights of its own, that another one follows."""
    if not isinstance(basis, DiscontinuousPiecewise):
        return False
    return j % basis.n == basis.n - 1 and j // basis.n < basis.segments - 1


def _draw_network(axes: Axes, functions: int, degree: int = 2) -> None:
    """Draw 3 inputs, 2 outputs and 6, 3 or 1 different functions in boxes; those of degree 1 go through 0."""
    outputs = (1.4, -1.4)
    joint = 0.0 if functions == 6 else 0.85
    for i, y in enumerate((2.0, 0.0, -2.0)):
        axes.plot([0, joint], [y, y], color=GREY, linewidth=1, zorder=1)
        for o, out in enumerate(outputs):
            axes.plot([joint, 3], [y, out], color=GREY, linewidth=1, zorder=1)
            if functions == 6:
                _draw_box(axes, 0.75, y + (out - y) * 0.25, 2 * i + o, degree)
        if functions < 6:
            _draw_box(axes, 0.75, y, i if functions == 3 else 0)
        _draw_unit(axes, 0, y, f"$x_{i}$")
    for o, out in enumerate(outputs):
        _draw_unit(axes, 3, out, f"$y_{o}$")


def _draw_unit(axes: Axes, x: float, y: float, name: str) -> None:
    axes.plot(x, y, "o", markersize=15, markerfacecolor="white", markeredgecolor="black", zorder=3)
    axes.text(x, y, name, ha="center", va="center", zorder=4)


def _draw_box(axes: Axes, x: float, y: float, which: int, degree: int = 2) -> None:
    """Draw the which-th of six small functions in a box around (x, y)."""
    shapes = ([-1, -0.6, 1], [1, -0.9, 1], [-0.6, 1, -0.9], [-1, 0.9, 0.4], [0.9, 0.2, -0.9], [-0.9, -0.8, 0.8])
    t = torch.linspace(-1, 1, 11, dtype=torch.float64)
    weights = torch.tensor(shapes[which], dtype=torch.float64)
    values = weights @ Polynomial(3).functions(t) if degree > 1 else (weights[2] - weights[1]) / 2 * t
    axes.add_patch(Rectangle((x - 0.3, y - 0.26), 0.6, 0.52, facecolor="white", edgecolor=GREY, zorder=2))
    axes.plot(x + 0.24 * t, y + 0.19 * values, color=COLOURS[which], zorder=3)


if __name__ == "__main__":
    main()
