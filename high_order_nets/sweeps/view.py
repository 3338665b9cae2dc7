"""Lays a table out for a console of any width: all columns, then fewer, then a block a row."""

import textwrap
from collections.abc import Mapping, Sequence

from rich import box
from rich.table import Table

from ..metrics import COSTS
from ..settings import WORDS
from .table import Row, cells, headings, headlines

STATUS = "status"
BORDER, GAP = 1, 3  # characters of a table's edge with its blank on either side, and between two cells


def lay_out(
    rows: Sequence[Row], width: int | None, chosen: Sequence[str] | None = None, also: Sequence[str] = ()
) -> list[Table | str]:
    """Return what to print, no line wider than `width` characters (None: any).

    `chosen` names the columns to show, settings and figures by their keys; they are not dropped. `also` names figures
    beside the usual ones.
    """
    also = (*(chosen or ()), *also)
    shown = headings(rows, also)
    header, body = cells(rows, also)
    if chosen is not None:
        wanted = [shown.get(name, name) for name in chosen]
        places = [header.index(name) for name in wanted if name in header]
        header, body = _take(header, body, places)
    elif all(row.status == "finished" for row in rows):
        header, body = _without(header, body, STATUS)
    notes: list[str] = []
    if width is None or _width(header, body) <= width:
        return [_table(header, body, shown)]
    if chosen is None:
        header, body, notes = _fewer(header, body, width, *_by_use(rows, shown, also))
    if _width(header, body) <= width:
        return [_table(header, body, shown), *(line for note in notes for line in wrapped(note, width))]
    full_header, full_body = cells(rows, also) if chosen is None else (header, body)
    return ["\n\n".join(_block(full_header, line, width) for line in full_body)]


def wrapped(text: str, width: int, indent: str = "  ") -> list[str]:
    """Break a text between words; a word is broken only where it alone is wider than the console."""
    return textwrap.wrap(text, max(width, 8), subsequent_indent=indent, break_on_hyphens=False) or [""]


def _by_use(rows: Sequence[Row], shown: Mapping[str, str], also: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the headings that stay, of headlines and what is asked for, and those that give way, the first first."""
    names = headlines(rows)
    stay = [shown[key] for key in (*(f"test_{name}" for name in names), *also) if key in shown]
    last = [f"val_{name}" for name in names]
    least = [key for key in shown if shown[key] not in stay and key not in (*COSTS, *last)]
    order = (*reversed(least), "seconds", "macs", *last, "parameters")
    figures = [shown[key] for key in order if key in shown and shown[key] not in stay]
    return stay, [*reversed(WORDS), *figures]


def _fewer(
    header: list[str], body: list[list[str]], width: int, stay: Sequence[str], give_way: Sequence[str]
) -> tuple[list[str], list[list[str]], list[str]]:
    """Drop what is the same in all rows, then the figures of least use, until the rest fits; say what was dropped."""
    same: list[str] = []
    dropped: list[str] = []
    if len(body) > 1:
        for place, name in [*enumerate(header)][::-1]:
            if len({line[place] for line in body}) == 1 and name not in stay:
                same.insert(0, f"{name} {body[0][place]}".strip())
                header, body = _without(header, body, name)
                if _width(header, body) <= width:
                    break
    for name in give_way:
        if _width(header, body) > width and name in header:
            header, body = _without(header, body, name)
            dropped.append(name)
    notes = [f"in all rows: {', '.join(same)}"] if same else []
    if dropped:
        notes.append(f"not shown for want of room: {', '.join(dropped)} (columns=… chooses)")
    return header, body, notes


def _without(header: list[str], body: list[list[str]], name: str) -> tuple[list[str], list[list[str]]]:
    return _take(header, body, [place for place, other in enumerate(header) if other != name])


def _take(header: list[str], body: list[list[str]], places: Sequence[int]) -> tuple[list[str], list[list[str]]]:
    return [header[place] for place in places], [[line[place] for place in places] for line in body]


def _width(header: list[str], body: list[list[str]]) -> int:
    """Return the least width at which no cell is broken within a word; only a status may be wrapped between words."""
    widths = [
        max(max(map(len, text.split()), default=0) if name == STATUS else len(text) for text in column)
        for name, column in zip(header, zip(header, *body, strict=True), strict=True)
    ]
    return sum(widths) + GAP * len(widths) + BORDER


def _table(header: list[str], body: list[list[str]], shown: Mapping[str, str]) -> Table:
    table = Table(box=box.HEAVY_HEAD)
    for name in header:
        table.add_column(name, justify="right" if name in shown.values() else "left", no_wrap=name != STATUS)
    for line in body:
        table.add_row(*line)
    return table


def _block(header: list[str], line: list[str], width: int) -> str:
    """Write one row as lines of name and value, those without a value left out."""
    pairs = [(name, value) for name, value in zip(header, line, strict=True) if value]
    left = max((len(name) for name, _ in pairs), default=0)
    lines = []
    for name, value in pairs:
        beside = f"{name:<{left}}  {value}"
        lines += [beside] if len(beside) <= width else [*wrapped(name, width, ""), *wrapped(f"  {value}", width)]
    return "\n".join(lines)
