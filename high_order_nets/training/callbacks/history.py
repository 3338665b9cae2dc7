"""Keep the figures of each epoch, which a resumed run continues."""

import logging
from pathlib import Path

import pytorch_lightning as pl

from ...runs.history import number, rows, write
from ...runs.layout import HISTORY

log = logging.getLogger(__name__)


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
            kept = [before for before in rows(self._file) if number(before.get("epoch")) < epoch]
            write(self._file, [*kept, row])
        except OSError as error:  # the run matters more
            log.warning("%s: not written: %s", self._file, error.strerror or error)
