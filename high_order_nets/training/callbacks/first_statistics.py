"""Statistics of norms before a network is evaluated with them."""

from typing import Any

import pytorch_lightning as pl


class FirstStatistics(pl.Callback):
    """Let the running statistics of all norms begin as those of the first batch, in place of mean 0 and variance 1.

    A network of products that is evaluated with norms that have not seen data gives numbers beyond all bounds.
    """

    def __init__(self) -> None:
        self._momentums: dict[Any, float] = {}

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Take all of the first batch's statistics."""
        if trainer.global_step == 0:
            norms = [module for module in pl_module.modules() if isinstance(getattr(module, "momentum", None), float)]
            self._momentums = {norm: norm.momentum for norm in norms}  # type: ignore[misc]
            for norm in norms:
                norm.momentum = 1.0  # type: ignore[assignment]

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Go on as the norms do by themselves."""
        for norm, momentum in self._momentums.items():
            norm.momentum = momentum
        self._momentums = {}
