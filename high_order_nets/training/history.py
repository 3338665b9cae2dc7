"""The figures of each epoch in one small file of the run's folder, which a resumed run continues."""

import csv
import io
import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytorch_lightning as pl

from ..files import write_text

log = logging.getLogger(__name__)
HISTORY = "history.csv"
COLUMNS = (
    *("epoch", "step", "learning_rate", "train_loss", "train_acc", "train_acc5"),
    *("val_loss", "val_acc", "val_acc5"),
)


class History(pl.Callback):
    """Write a row an epoch to `history.csv` under the folder; epochs count from 1."""

    def __init__(self, folder: Path):
        self._file = folder / HISTORY

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Add the epoch, in place of what an earlier attempt wrote of it and of later ones."""
        # In all processes, for the figures are means of all of them; train_loss itself is the last step's.
        metrics = {key: float(value) for key, value in trainer.callback_metrics.items() if key != "train_loss"}
        if not trainer.is_global_zero:
            return
        metrics = {key.removesuffix("_epoch"): value for key, value in metrics.items()}
        epoch, rate = trainer.current_epoch + 1, trainer.optimizers[0].param_groups[0]["lr"]
        row = metrics | {"epoch": epoch, "step": trainer.global_step, "learning_rate": float(rate)}
        try:
            kept = [before for before in _rows(self._file) if _number(before.get("epoch")) < epoch]
            _write(self._file, [*kept, row])
        except OSError as error:  # the run matters more
            log.warning("%s: not written: %s", self._file, error.strerror or error)


def read_history(file: Path) -> list[dict[str, float]]:
    """Read the rows of a history, without the figures that an epoch does not have; none where there is no file."""
    rows = [{key: _number(value) for key, value in row.items() if value} for row in _rows(file)]
    return [row for row in rows if row.get("epoch", math.inf) < math.inf]


def _rows(file: Path) -> list[dict[str, str]]:
    if not file.is_file():
        return []
    with file.open(newline="", encoding="utf-8", errors="replace") as lines:
        return [{key: row[key] for key in COLUMNS if isinstance(row.get(key), str)} for row in csv.DictReader(lines)]


def _number(text: str | None) -> float:
    """Read a number; what people made of the file otherwise is inf."""
    try:
        return float(text or "inf")
    except ValueError:
        return math.inf


def _write(file: Path, rows: Sequence[Mapping[str, float | str]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(file, text.getvalue())
