"""Plots of a metric against what a network costs: its parameters, its multiply-adds; a labelled point a setting."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from ..errors import show
from .table import Row

DRAWN = ("parameters", "macs")
MOST_LABELS = 24
PLACES = (
    (6, 0),
    (6, 7),
    (6, -7),
    (-6, 0),
    (-6, 7),
    (-6, -7),
    (0, 11),
    (0, -11),
    (6, 15),
    (6, -15),
    (-6, 15),
    (-6, -15),
)
"""Offsets in points at which a label may stand; the first that covers nothing is taken."""


def varying_costs(rows: Sequence[Row]) -> list[str]:
    """Return the costs that have at least two different values."""
    return [cost for cost in DRAWN if len({mean for row in rows if (mean := row.mean(cost)) is not None}) > 1]


def telling(rows: Sequence[Row]) -> list[str]:
    """Return the settings that it takes to tell the rows apart; names, as that of the layer type, always do."""
    kept = list(rows[0].settings) if rows else []
    for key in [key for key in kept[::-1] if not any(isinstance(row.settings[key], str) for row in rows)]:
        fewer = [other for other in kept if other != key]
        if len({_values(row, fewer) for row in rows}) == len({_values(row, kept) for row in rows}):
            kept = fewer
    return kept


def _values(row: Row, keys: Sequence[str]) -> tuple[str, ...]:
    return tuple(show(row.settings[key]) for key in keys)


def name_of(row: Row, keys: Sequence[str]) -> str:
    """Say what the row has of these settings, such as 'polynomial2d n=3'."""
    parts = [show(value) if isinstance(value, str) else f"{key.rpartition('.')[2]}={short(value)}"
             for key in keys if (value := row.settings[key]) is not None]  # fmt: skip
    return " ".join(parts)


def short(value: Any) -> str:
    """Write a setting as a label does."""
    return f"{value:g}" if isinstance(value, float) else show(value)


def is_standard(row: Row) -> bool:
    """Return whether the row's network is the plain one beside which the others are read."""
    return any(run.setting("layer_type") == "standard" for run in row.runs)


def label_points(figure: Figure, axes: Axes, points: Sequence[tuple[float, float, str]]) -> bool:
    """Write each name beside its point, where it covers no point and no other name; return whether all found a place.

    Those that find none are left out; of too many, all.
    """
    if len(points) > MOST_LABELS:
        return False
    figure.canvas.draw()  # type: ignore[union-attr]
    renderer: Any = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    pixels = figure.dpi / 72
    centres = [axes.transData.transform((x, y)) for x, y, _ in points]
    taken = [Bbox.from_extents(x - 4 * pixels, y - 4 * pixels, x + 4 * pixels, y + 4 * pixels) for x, y in centres]
    for x, y, name in points:
        text = axes.annotate(name, (x, y), fontsize=7, va="center", textcoords="offset points", xytext=PLACES[0])
        text.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.85})
        for place in PLACES:
            text.set_position(place)
            text.set_horizontalalignment("left" if place[0] > 0 else "right" if place[0] < 0 else "center")
            box = text.get_window_extent(renderer)
            inside = axes.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 - 4
            if inside and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
        else:
            text.remove()
    return len(axes.texts) == len(points)
