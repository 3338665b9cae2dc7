"""Training one stage after the other."""

from collections.abc import Sequence

import pytorch_lightning as pl

from ...models.stages import Staged
from .lines import log


class StageByStage(pl.Callback):
    """Train one stage of a Staged network, the first of `nets`, for so many epochs, then the next; others follow."""

    def __init__(self, nets: Sequence[Staged], epochs_per_layer: int):
        self._nets, self._epochs = nets, epochs_per_layer

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Select the stage of this epoch."""
        stage = trainer.current_epoch // self._epochs
        if trainer.current_epoch % self._epochs == 0 and stage < self._nets[0].count:
            log.info("layer by layer: training stage %d of %d", stage + 1, self._nets[0].count)
        for net in self._nets:
            net.select(stage)
