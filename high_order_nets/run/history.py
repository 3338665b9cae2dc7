"""The figures of each epoch of a run, in one small file of its folder: read and written without importing torch."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..files import write_text
from ..metrics import names_of, split

PLACE = ("epoch", "step", "learning_rate")


def read_history(file: Path) -> list[dict[str, float]]:
    """Read the rows of a history, without the figures that an epoch does not have; none where there is no file."""
    found = [{key: number(value) for key, value in row.items() if value} for row in rows(file)]
    return [row for row in found if row.get("epoch", math.inf) < math.inf]


def rows(file: Path) -> list[dict[str, str]]:
    """Read the file as it is written, without columns that no training has; none where there is no file."""
    if not file.is_file():
        return []
    with file.open(newline="", encoding="utf-8", errors="replace") as lines:
        reader = csv.DictReader(lines)
        known = [key for key in reader.fieldnames or () if is_column(key)]
        return [{key: row[key] for key in known if isinstance(row[key], str)} for row in reader]


def is_column(key: str) -> bool:
    """Return whether a history has a column for it: where the training is, and every figure of an epoch."""
    return key in PLACE or split(key)[0] in ("train", "val")


def columns(content: Sequence[Mapping[str, float | str]]) -> list[str]:
    """Return the columns of these rows in order; each figure has one for the validation, also where there is none."""
    keys = dict.fromkeys(key for row in content for key in row if is_column(key))
    names = names_of(keys, ["loss"])
    trained = [f"train_{name}" for name in names]
    return [*PLACE, *(key for key in trained if key in keys), *(f"val_{name}" for name in names)]


def number(text: str | None) -> float:
    """Read a number; what people made of the file otherwise is inf."""
    try:
        return float(text or "inf")
    except ValueError:
        return math.inf


def write(file: Path, content: Sequence[Mapping[str, float | str]]) -> None:
    """Write the file whole or not at all, with a column for each figure of its rows."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns(content), extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(content)
    write_text(file, text.getvalue())
