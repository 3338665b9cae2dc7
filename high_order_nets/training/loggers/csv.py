"""All that is logged, as one table."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytorch_lightning.utilities import rank_zero_only

from ...files import write_text
from ...processes import is_first
from ...run.layout import LOGGED
from ...settings import Config
from .base import Harmless
from .tags import tagged

if TYPE_CHECKING:
    import numpy as np

STEP = "step"


class Csv(Harmless):
    """Write a row into `metrics.csv` under the folder each time that something is logged, under the tags of `tag`.

    What an earlier attempt has logged from the step `start` on, with which the run begins, is left out.
    """

    def __init__(self, folder: Path, start: int):
        super().__init__("csv")
        self._file = folder / LOGGED
        self._columns: list[str] = []
        if is_first() and self._file.is_file():
            self.attempt(lambda: _write(self._file, [row for row in _rows(self._file) if int(row[STEP]) < start]))

    @property
    def version(self) -> str:
        """The file."""
        return str(self._file)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add a row."""
        if row := tagged(metrics):
            self.attempt(lambda: self._add({STEP: step or 0} | row))

    def log_picture(self, name: str, image: "np.ndarray", step: int) -> None:
        """Do nothing: pictures lie in the run's folder."""

    def log_run(self, config: Config, figures: Mapping[str, Any]) -> None:
        """Do nothing: results lie in the run's folder."""

    def close(self, status: str) -> None:
        """Do nothing: every row is there."""

    def _add(self, row: Mapping[str, Any]) -> None:
        if row.keys() <= set(self._columns):
            with self._file.open("a", encoding="utf-8", newline="") as file:
                csv.DictWriter(file, self._columns, lineterminator="\n").writerow(row)
        else:  # another column, or the first row that this process writes
            self._columns = _write(self._file, [*_rows(self._file), row])


def _rows(file: Path) -> list[dict[str, Any]]:
    """Read the rows that are whole."""
    if not file.is_file():
        return []
    with file.open(newline="", encoding="utf-8") as lines:
        return [row for row in csv.DictReader(lines) if None not in row.values() and row[STEP].isdecimal()]


def _write(file: Path, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Write the file anew, with a column for all that the rows have; return the columns."""
    columns = list(dict.fromkeys([STEP, *(key for row in rows for key in row)]))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(file, text.getvalue())
    return columns
