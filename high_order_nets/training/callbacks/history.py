"""Keep the figures of each epoch, which a resumed run continues."""

import logging
from pathlib import Path

import pytorch_lightning as pl

from ...metrics import figures_of
from ...run.history import is_column, number, rows, write
from ...run.layout import HISTORY

log = logging.getLogger(__name__)


class History(pl.Callback):
    """Write a row an epoch to `history.csv` under the folder; epochs count from 1."""

    def __init__(self, folder: Path):
        self._file = folder / HISTORY

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Add the epoch, in place of what an earlier attempt wrote of it and of later ones."""
        # In all processes, for the figures are means of all of them.
        metrics = {key: value for key, value in figures_of(trainer.callback_metrics).items() if is_column(key)}
        if not trainer.is_global_zero:
            return
        epoch, rate = trainer.current_epoch + 1, trainer.optimizers[0].param_groups[0]["lr"]
        row = metrics | {"epoch": epoch, "step": trainer.global_step, "learning_rate": float(rate)}
        try:
            kept = [before for before in rows(self._file) if number(before.get("epoch")) < epoch]
            write(self._file, [*kept, row])
        except OSError as error:  # the run matters more
            log.warning("%s: not written: %s", self._file, error.strerror or error)
