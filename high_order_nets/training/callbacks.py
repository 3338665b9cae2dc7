"""What happens beside the training loop: clocks, stages, one line an epoch."""

import logging
import time
from typing import Any

import pytorch_lightning as pl
from torch import Tensor

from ..models.stages import Staged

log = logging.getLogger(__name__)


class Clock(pl.Callback):
    """Measure the seconds of each training epoch (validation left out) and count its images."""

    def __init__(self) -> None:
        self.epochs: list[float] = []
        self.images = 0
        self._start = 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the epoch's clock."""
        self._start, self._paused = time.perf_counter(), 0.0

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: tuple[Tensor, Tensor],
        batch_idx: int,
    ) -> None:
        """Count the images."""
        self.images += len(batch[1]) * trainer.world_size

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop the clock: validation runs inside the training epoch."""
        self._validation = time.perf_counter()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Let it go on."""
        self._paused += time.perf_counter() - self._validation

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note the epoch's seconds."""
        self.epochs.append(time.perf_counter() - self._start - self._paused)


class StageByStage(pl.Callback):
    """Train one stage of a Staged network for so many epochs, then the next."""

    def __init__(self, net: Staged, epochs_per_layer: int):
        self._net, self._epochs = net, epochs_per_layer

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Select the stage of this epoch."""
        stage = trainer.current_epoch // self._epochs
        if trainer.current_epoch % self._epochs == 0 and stage < self._net.count:
            log.info("layer by layer: training stage %d of %d", stage + 1, self._net.count)
        self._net.select(stage)


class EpochLines(pl.Callback):
    """Log one line an epoch, for terminals without a progress bar and for train.log."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the epoch's figures."""
        metrics = trainer.callback_metrics
        names = ("train_loss_epoch", "train_acc", "val_loss", "val_acc")
        figures = "  ".join(
            f"{name.removesuffix('_epoch')} {float(metrics[name]):.4f}" for name in names if name in metrics
        )
        log.info("epoch %d/%s  %s", trainer.current_epoch + 1, trainer.max_epochs, figures)
