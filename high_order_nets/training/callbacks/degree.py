"""The degree of a network while it trains."""

import statistics
from typing import Any

import pytorch_lightning as pl
import torch

from ...models.degree import degrees


class Degree(pl.Callback):
    """Log train_degree after each epoch: the mean degree of the network along lines between training inputs."""

    def __init__(self, lines: int):
        self._lines = lines

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure it; no random number is drawn, no state changed."""
        like = next(pl_module.parameters())
        inputs = trainer.datamodule.sample(2 * self._lines, like)  # type: ignore[attr-defined]
        if inputs.device.type == "mps":  # which has no float64
            inputs = inputs.cpu()
        lines = len(inputs) // 2
        net: Any = pl_module.net
        with torch.autocast(inputs.device.type, enabled=False):
            measured = degrees(net, inputs[:lines], inputs[lines : 2 * lines])
        pl_module.log("train_degree", float(statistics.mean(measured)))
