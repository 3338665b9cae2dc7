"""Training one stage after the other."""

import pytorch_lightning as pl

from ...models.stages import Staged
from .lines import log


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
