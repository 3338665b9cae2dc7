"""The figures of each epoch as a line of JSON, for whoever watches a run from another process."""

import json
from pathlib import Path

import pytorch_lightning as pl

from .runs import EPOCHS


class EpochLog(pl.Callback):
    """Append `{"epoch": 1, "val_acc": …}` to epochs.jsonl in the run's folder after each epoch."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / EPOCHS

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Drop the lines of an earlier attempt, unless this run continues it."""
        if trainer.is_global_zero and trainer.global_step == 0:
            self._path.unlink(missing_ok=True)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the epoch's figures."""
        metrics = {name.removesuffix("_epoch"): value for name, value in trainer.callback_metrics.items()}
        figures = {name: float(value) for name, value in metrics.items() if name.startswith(("train_", "val_"))}
        if trainer.is_global_zero:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"epoch": trainer.current_epoch + 1, **figures}) + "\n")
