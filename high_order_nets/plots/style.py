"""What all pictures share: the look of a figure in print, and the way to a file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib.image
import matplotlib.style
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend_handler import HandlerTuple

from ..files import whole_file

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
"""Okabe and Ito's, told apart under any colour blindness."""
BLUE, ORANGE, GREEN = COLOURS[:3]
INK, GREY, WASH, MINT = "#222222", "#7F7F7F", "#F0F0F0", "#CDE6DA"
WIDTH = 7.2
"""Inches: two columns of a journal."""

_STYLE = {
    "figure.dpi": 200,
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.labelsize": 7.5,
    "axes.linewidth": 0.6,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "lines.linewidth": 1.2,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.5,
}


@contextmanager
def published() -> Iterator[None]:
    """Draw in this look, whatever the user's own matplotlibrc says; matplotlib's settings come back afterwards."""
    with matplotlib.style.context(_STYLE, after_reset=True):
        yield


def pixels(figure: Figure, dpi: int) -> np.ndarray:
    """Render the figure: uint8 (height, width, 3)."""
    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def save(figure: Figure, image: np.ndarray, path: Path, form: str) -> None:
    """Write the image as a PNG, and the figure as a PDF or SVG beside it where asked for; makes the folder.

    Each whole or not at all.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as part:
        matplotlib.image.imsave(part, image, format="png")
    if form != "png":
        with whole_file(path.with_suffix(f".{form}")) as part:
            figure.savefig(part, format=form)


def head(figure: Figure, title: str, legend: dict[str, Any], left: float) -> None:
    """Write the title and a legend (labels to handles) at the top, `left` inches from the edge."""
    width, height = figure.get_size_inches()
    figure.text(left / width, 1 - 0.08 / height, title, va="top", fontsize=9, fontweight="bold")
    figure.legend(
        list(legend.values()),
        list(legend),
        handler_map={tuple: HandlerTuple(ndivide=None, pad=0)},
        loc="upper left",
        bbox_to_anchor=(left / width, 1 - 0.26 / height),
        ncols=len(legend),
        borderaxespad=0,
        borderpad=0,
        handlelength=1.6,
        handletextpad=0.6,
        columnspacing=1.1,
    )


def shorten(name: str, length: int) -> str:
    """Cut a long name in its middle."""
    if len(name) <= length:
        return name
    head = (length - 1) // 2
    return f"{name[:head]}…{name[len(name) - (length - 1 - head) :]}"


def percent(share: float) -> str:
    """Write a share in [0, 1]."""
    return f"{100 * share:.1f} %"
