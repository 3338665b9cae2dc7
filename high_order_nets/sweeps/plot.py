"""Plots of a sweep: the metric against each number that was swept, mean ± s.d. over seeds."""

import math
import textwrap
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

from .. import metrics
from ..config.rules import is_number, is_whole
from ..errors import UserError, show
from ..plots.style import COLOURS
from .cost_plot import is_standard, label_points, name_of, short, telling, varying_costs
from .epoch_plot import courses, draw_courses
from .table import Row, label

LINES = 10
"""The most lines that a person can tell apart; more settings become points."""
LETTERS = 34
"""Letters of a name in a legend: of more, the plot beside it would have no room."""
MARKERS = "osD^vP*X"


def write_plots(rows: Sequence[Row], metric: str, folder: Path) -> list[Path]:
    """Write the plots of several settings to the folder, and return the files.

    results_<knob>.png for each swept number and each cost that differs, results_epoch.png, and the fits of regressions.
    """
    rows = [row for row in rows if row.mean(metric) is not None]
    swept = [_write(rows, key, metric, folder / f"results_{key}.png") for key in swept_numbers(rows)]
    costs = [_write_cost(rows, cost, metric, folder / f"results_{cost}.png") for cost in varying_costs(rows)]
    if len(rows) < 2:
        return [*swept, *costs]
    beside = [_write_epochs(rows, metric, folder / "results_epoch.png"), _write_fits(rows, folder / "fits.png")]
    return [*swept, *costs, *filter(None, beside)]


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
    _draw_levels(axes, rows, key, metric)
    if len(axes.get_legend_handles_labels()[0]) > 1:
        _legend(axes)
    _label(axes, rows, key, metric)
    _save(figure, path, rows)
    return path


def _write_cost(rows: Sequence[Row], cost: str, metric: str, path: Path) -> Path:
    """Draw the metric against a cost: a point a setting, a line at the best standard network."""
    figure = Figure(figsize=(6.0, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    points = [(x, row) for row in rows if (x := row.mean(cost)) is not None]
    kinds = list(dict.fromkeys(show(row.runs[0].setting("layer_type")) for _, row in points))
    shown: dict[str, Any] = {}
    for x, row in points:
        standard = is_standard(row)
        place = kinds.index(show(row.runs[0].setting("layer_type")))
        y, spread = _scaled(row.mean(metric), metric), row.deviation(metric)
        colour, marker = ("#000000", "s") if standard else (COLOURS[place % 6], MARKERS[2 + place % 6])
        error = None if spread is None else _scaled(spread, metric)
        drawn = axes.errorbar(
            x, y, error, color=colour, marker=marker, markersize=5.5, capsize=2, elinewidth=0.9, ls=""
        )
        shown.setdefault(kinds[place], drawn)
    standards = [_scaled(row.mean(metric), metric) for _, row in points if is_standard(row)]
    if standards:
        best = max(standards, key=metrics.metric(metric).merit)
        axes.axhline(best, color="#000000", linewidth=0.6, dashes=(4, 3), zorder=0)
    axes.set_xlabel(label(cost))
    _finish(axes, rows, metric, [x for x, _ in points], at_values=False)
    axes.margins(0.12)
    places = [(x, _scaled(row.mean(metric), metric)) for x, row in points]
    keys = telling(rows)
    if not label_points(figure, axes, [(*at, name_of(row, keys)) for at, (_, row) in zip(places, points, strict=True)]):
        for text in list(axes.texts):
            text.remove()
        if len(shown) > 1:
            _legend(axes, list(shown.values()), list(shown))
        keys = [key for key in keys if key != "layer_type"]
        rest = [(*at, name_of(row, keys)) for at, (_, row) in zip(places, points, strict=True)]
        label_points(figure, axes, [point for point in rest if point[2]])
    _save(figure, path, rows)
    return path


def _write_epochs(rows: Sequence[Row], metric: str, path: Path) -> Path | None:
    """Draw the metric against epochs: a line a setting."""
    key, found = courses(rows, metric)
    if not found:
        return None
    figure = Figure(figsize=(6.0, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    draw_courses(axes, key, [(name_of(row, telling(rows)), row, course) for row, course in found])
    axes.set_ylabel(label(key))
    best = f"the best {len(found)} of {len(rows)}" if len(found) < len(rows) else ""
    axes.set_title(" · ".join(filter(None, (_title(rows, metric), best))), fontsize=9, loc="left", wrap=True)
    _tidy(axes, key)
    _legend(axes)
    _save(figure, path, rows)
    return path


def _write_fits(rows: Sequence[Row], path: Path) -> Path | None:
    """Draw what regressions on the same points have learned, the first seed of each setting."""
    points = {(run.setting("dataset"), run.setting("dataset.target")) for row in rows for run in row.runs}
    if len(points) > 1 or any(run.setting("dataset.kind") != "points" for row in rows for run in row.runs):
        return None
    from ..plots.compared import draw_compared  # noqa: PLC0415 - torch
    from ..plots.style import published  # noqa: PLC0415

    with published():
        named = [(name_of(row, telling(rows)), row.finished[0].folder) for row in rows]
        try:
            figure = draw_compared(named, " · ".join(_subject(rows)))
        except UserError:  # a run whose weights, or whose data, are no longer there
            return None
        if figure is None:
            return None
        FigureCanvasAgg(figure)
        _save(figure, path, rows)
    return path


def _save(figure: Figure, path: Path, rows: Sequence[Row]) -> None:
    """Write the PNG, and beside it what the runs' `plots.format` asks for."""
    figure.savefig(path, dpi=200)
    form = rows[0].runs[0].setting("plots.format")
    if form in ("pdf", "svg"):
        figure.savefig(path.with_suffix(f".{form}"))


def _lines(rows: Sequence[Row], key: str) -> dict[str, list[Row]]:
    """Return the rows of each line, sorted along the axis: all that agree in the other settings."""
    lines: dict[str, list[Row]] = {}
    for row in sorted((row for row in rows if is_number(row.settings[key])), key=lambda row: row.settings[key]):
        lines.setdefault(_others(row, key), []).append(row)
    return lines


def _is_grid(lines: dict[str, list[Row]], key: str) -> bool:
    """Return whether lines join what belongs together: few of them, at places that they share."""
    places = {row.settings[key] for line in lines.values() for row in line}
    return len(lines) == 1 or (len(lines) <= LINES and 2 * len(places) <= sum(map(len, lines.values())))


def _others(row: Row, key: str) -> str:
    """Say what tells a row from the others beside the setting `key`."""
    others = [other for other in row.settings if other != key and row.runs[0].reads(other)]
    return ", ".join(_named(other, row.settings[other]) for other in others)


def _named(key: str, value: Any) -> str:
    return show(value) if isinstance(value, str) else f"{key.replace('_', ' ')} {short(value)}"


def _draw_lines(axes: Axes, lines: dict[str, list[Row]], key: str, metric: str) -> None:
    for place, (named, rows) in enumerate(lines.items()):
        x = [row.settings[key] for row in rows]
        y = [_scaled(row.mean(metric), metric) for row in rows]
        found = [row.deviation(metric) for row in rows]
        spread = [_scaled(each or 0.0, metric) for each in found] if any(each is not None for each in found) else None
        colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
        bars = axes.errorbar(x, y, spread, label=named or None, color=colour, capsize=2, linewidth=1.5, elinewidth=0.9)
        bars.lines[0].set(marker=marker, markersize=5)


def _draw_points(axes: Axes, rows: Sequence[Row], key: str, metric: str) -> None:
    """Draw a point a setting, coloured by the first setting that is a name."""
    named = next((other for other, value in rows[0].settings.items() if isinstance(value, str)), None)
    kinds: dict[str | None, list[Row]] = {}
    for row in rows:
        if is_number(row.settings[key]):
            kinds.setdefault(show(row.settings[named]) if named else None, []).append(row)
    for place, (kind, shown) in enumerate(kinds.items()):
        x, y = [row.settings[key] for row in shown], [_scaled(row.mean(metric), metric) for row in shown]
        colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
        axes.scatter(x, y, s=24, label=kind, color=colour, marker=marker, alpha=0.75, linewidths=0)


def _draw_levels(axes: Axes, rows: Sequence[Row], key: str, metric: str) -> None:
    """Draw a level line for each setting that does not read the knob: it has no place along the axis."""
    levels = [row for row in rows if not row.runs[0].reads(key)]
    for place, row in enumerate(levels if len(levels) <= LINES else ()):
        colour = COLOURS[(-2 - place) % len(COLOURS)]  # black first
        level = _scaled(row.mean(metric), metric)
        axes.axhline(level, color=colour, linewidth=1, dashes=(4, 3), label=_others(row, key) or None)


def _legend(axes: Axes, *named: list[Any]) -> None:
    legend = axes.legend(*named, frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5))
    for text in legend.get_texts():
        text.set_text(textwrap.fill(text.get_text(), LETTERS))


def _label(axes: Axes, rows: Sequence[Row], key: str, metric: str) -> None:
    axes.set_xlabel(key.replace("_", " "))
    _finish(axes, rows, metric, [row.settings[key] for row in rows if is_number(row.settings[key])])


def _finish(axes: Axes, rows: Sequence[Row], metric: str, values: list[float], *, at_values: bool = True) -> None:
    axes.set_ylabel(label(metric))
    axes.set_title(_title(rows, metric), fontsize=9, loc="left", wrap=True)
    _scale(axes, values, at_values)
    _tidy(axes, metric)


def _tidy(axes: Axes, metric: str) -> None:
    """Give the plot its grid; errors over more than a decade get a logarithmic axis."""
    low, high = axes.dataLim.intervaly
    if not (metrics.metric(metric).percent or metrics.metric(metric).higher_is_better) and 0 < 10 * low < high:
        axes.set_yscale("log")
    axes.grid(visible=True, alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _title(rows: Sequence[Row], metric: str) -> str:
    """Say what all rows share of data, network and epochs, and over how many seeds the means are taken."""
    counts = {len(row.values(metric)) for row in rows}
    seeds = f"mean ± s.d. of {min(counts)}{f' to {max(counts)}' if len(counts) > 1 else ''} seeds"
    return " · ".join([*_subject(rows), *([seeds] if max(counts) > 1 else [])])


def _subject(rows: Sequence[Row]) -> list[str]:
    """Say what all rows share of data, a function by its own name, network and epochs."""
    data = _shared(rows, "dataset.target") or _shared(rows, "dataset")
    epochs = _shared(rows, "max_epochs")
    counted = f"{epochs} epoch{'s' if epochs != '1' else ''}" if epochs else None
    return [part for part in (data, _shared(rows, "model_name"), counted) if part]


def _shared(rows: Sequence[Row], key: str) -> str | None:
    found = {show(value) for row in rows for run in row.runs if (value := run.setting(key)) is not None}
    return found.pop() if len(found) == 1 else None


def _scale(axes: Axes, values: list[float], at_values: bool) -> None:
    """Take a logarithmic axis where the values span more than a decade; ticks at the values, or at 1, 2, 5 × 10^k."""
    few = sorted(set(values))
    if few[0] > 0 and few[-1] / few[0] > 10:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if few[-1] / few[0] < 300 else (1,)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))
    axes.minorticks_off()
    if at_values and (len(few) <= 4 or (len(few) <= 8 and all(map(is_whole, few)) and few[-1] < 1000)):
        logarithmic = axes.get_xscale() == "log"
        gaps = [math.log10(b / a) if logarithmic else b - a for a, b in pairwise(few)]
        span = sum(gaps)
        if not gaps or min(gaps) > 0.12 * span:
            axes.set_xticks(few)


def _tick(value: float) -> str:
    """Write 1200 as 1200, 12,000,000 as 12M and 0.003 as 0.003."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if unit == 'k' else size):.4g}{unit}"
    return f"{value:.4g}"


def _scaled(value: float | None, metric: str) -> float:
    if value is None:
        return math.nan
    return 100 * value if metrics.metric(metric).percent else value
