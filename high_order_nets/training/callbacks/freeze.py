"""Parts of the network that are not trained, for the whole run or its first epochs."""

import logging

import pytorch_lightning as pl

from ...tasks.tuning import Frozen

log = logging.getLogger(__name__)


class Freeze(pl.Callback):
    """Keep the frozen parts out of training until the epoch `unfreeze_at`, and train them from then on.

    What is frozen is a function of the epoch: a run that goes on needs nothing saved. In the optimizer these parts are
    from the start, without gradients: no step, no decay and no momentum before they are trained.
    """

    def __init__(self, frozen: Frozen, unfreeze_at: int | None):
        self._frozen, self._epoch = frozen, unfreeze_at

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Go on as the epoch wants it, which may have begun before a stop."""
        self._frozen.thawed = self._is_time(trainer)
        if not self._frozen.thawed:
            log.info("%s", self._frozen.said)
        self._apply(pl_module)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Thaw if it is time; parts that have just been refined stay frozen."""
        if self._is_time(trainer) and not self._frozen.thawed:
            self._frozen.thawed = True
            log.info("unfreeze_at=%d: the frozen parts are trained too from here on", self._epoch)
        self._apply(pl_module)

    def _apply(self, pl_module: pl.LightningModule) -> None:
        self._frozen.apply(pl_module.net)  # type: ignore[arg-type]
        pl_module.train()  # norms that have been frozen until now take statistics again

    def _is_time(self, trainer: pl.Trainer) -> bool:
        return self._epoch is not None and trainer.current_epoch >= self._epoch
