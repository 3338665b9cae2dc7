"""Plots of a sweep: the metric against each number that was swept, mean ± s.d. over seeds."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .rules import is_number, is_whole, show
from .table import Row, is_share
from .table import label as table_label

LINES = 10
"""The most lines that a person can tell apart; more settings become points."""
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")
"""Okabe and Ito's, which colour-blind readers can tell apart."""
MARKERS = "osD^vP*X"


def write_plots(rows: Sequence[Row], metric: str, folder: Path) -> list[Path]:
    """Write results_<knob>.png for each swept number to the folder; return the files."""
    rows = [row for row in rows if row.mean(metric) is not None]
    return [_write(rows, key, metric, folder / f"results_{key}.png") for key in swept_numbers(rows)]


def swept_numbers(rows: Sequence[Row]) -> list[str]:
    """Return the settings that have at least two different numbers."""
    keys = rows[0].settings if rows else {}
    return [key for key in keys if len({row.settings[key] for row in rows if is_number(row.settings[key])}) > 1]


def _write(rows: Sequence[Row], key: str, metric: str, path: Path) -> Path:
    figure = Figure(figsize=(6.0, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    lines = _lines(rows, key)
    if _is_grid(lines, key):
        _draw_lines(axes, lines, key, metric)
    else:
        _draw_points(axes, rows, key, metric)
    _label(axes, rows, key, metric)
    figure.savefig(path, dpi=200)
    return path


def _lines(rows: Sequence[Row], key: str) -> dict[str, list[Row]]:
    """Return the rows of each line, sorted along the axis: all that agree in the other settings."""
    varying = [other for other in rows[0].settings if other != key]
    lines: dict[str, list[Row]] = {}
    for row in sorted((row for row in rows if is_number(row.settings[key])), key=lambda row: row.settings[key]):
        lines.setdefault(", ".join(_named(other, row.settings[other]) for other in varying), []).append(row)
    return lines


def _is_grid(lines: dict[str, list[Row]], key: str) -> bool:
    """Return whether lines join what belongs together: few of them, at places that they share."""
    places = {row.settings[key] for line in lines.values() for row in line}
    return len(lines) == 1 or (len(lines) <= LINES and 2 * len(places) <= sum(map(len, lines.values())))


def _named(key: str, value: Any) -> str:
    return show(value) if isinstance(value, str) else f"{key.replace('_', ' ')} {_short(value)}"


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else show(value)


def _draw_lines(axes: Axes, lines: dict[str, list[Row]], key: str, metric: str) -> None:
    for place, (label, rows) in enumerate(lines.items()):
        x = [row.settings[key] for row in rows]
        y = [_scaled(row.mean(metric), metric) for row in rows]
        spread = [_scaled(row.deviation(metric) or 0.0, metric) for row in rows]
        colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
        bars = axes.errorbar(x, y, spread, label=label or None, color=colour, capsize=2, linewidth=1.5, elinewidth=0.9)
        bars.lines[0].set(marker=marker, markersize=5)
    if len(lines) > 1:
        _legend(axes)


def _draw_points(axes: Axes, rows: Sequence[Row], key: str, metric: str) -> None:
    """Draw a point a setting, coloured by the first setting that is a name."""
    named = next((other for other, value in rows[0].settings.items() if isinstance(value, str)), None)
    kinds: dict[str | None, list[Row]] = {}
    for row in rows:
        if is_number(row.settings[key]):
            kinds.setdefault(show(row.settings[named]) if named else None, []).append(row)
    for place, (kind, shown) in enumerate(kinds.items()):
        x, y = [row.settings[key] for row in shown], [_scaled(row.mean(metric), metric) for row in shown]
        axes.scatter(x, y, s=20, label=kind, color=COLOURS[place % len(COLOURS)], alpha=0.75, linewidths=0)
    if len(kinds) > 1:
        _legend(axes)


def _legend(axes: Axes) -> None:
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5))


def _label(axes: Axes, rows: Sequence[Row], key: str, metric: str) -> None:
    values = [row.settings[key] for row in rows if is_number(row.settings[key])]
    counts = {len(row.values(metric)) for row in rows}
    seeds = f", mean ± s.d. of {max(counts)} seeds" if min(counts) > 1 and len(counts) == 1 else ""
    axes.set_xlabel(key.replace("_", " "))
    axes.set_ylabel(table_label(metric))
    axes.set_title(f"{len(rows)} settings{seeds}", fontsize=9, loc="left")
    _scale(axes, values)
    axes.grid(visible=True, alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _scale(axes: Axes, values: list[float]) -> None:
    """Take a logarithmic axis where the values span more than a decade; ticks at the values where they are few."""
    if min(values) > 0 and max(values) / min(values) > 10:
        axes.set_xscale("log")
    few = sorted(set(values))
    if len(few) <= 4 or (len(few) <= 8 and (axes.get_xscale() == "log" or all(map(is_whole, few)))):
        axes.set_xticks(few, [f"{value:g}" for value in few])
        axes.minorticks_off()


def _scaled(value: float | None, metric: str) -> float:
    if value is None:
        return math.nan
    return 100 * value if is_share(metric) else value
