"""The figures of each epoch of a run, in one small file of its folder: read and written without importing torch."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..files import write_text

COLUMNS = (
    *("epoch", "step", "learning_rate", "train_loss", "train_acc", "train_acc5"),
    *("val_loss", "val_acc", "val_acc5"),
)


def read_history(file: Path) -> list[dict[str, float]]:
    """Read the rows of a history, without the figures that an epoch does not have; none where there is no file."""
    found = [{key: number(value) for key, value in row.items() if value} for row in rows(file)]
    return [row for row in found if row.get("epoch", math.inf) < math.inf]


def rows(file: Path) -> list[dict[str, str]]:
    """Read the file as it is written; none where there is no file."""
    if not file.is_file():
        return []
    with file.open(newline="", encoding="utf-8", errors="replace") as lines:
        return [{key: row[key] for key in COLUMNS if isinstance(row.get(key), str)} for row in csv.DictReader(lines)]


def number(text: str | None) -> float:
    """Read a number; what people made of the file otherwise is inf."""
    try:
        return float(text or "inf")
    except ValueError:
        return math.inf


def write(file: Path, content: Sequence[Mapping[str, float | str]]) -> None:
    """Write the file whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(content)
    write_text(file, text.getvalue())
