"""Alignment of a network with its first training batch, or with all while its functions do not move."""

from typing import Any

import pytorch_lightning as pl
from torch import Tensor

from ...conversion.align import align, measured_layers, unaligned
from ...layers import HighOrderLayer


class Align(pl.Callback):
    """Align the layers that are still to be measured with the first batch of an epoch; all processes as rank 0 does.

    In a run's first epoch that is all of them: a checkpoint has their intervals. Layer by layer a stage is aligned when
    it is first reached. During the first part `frozen` of the steps intervals follow their inputs; then they stay.
    """

    def __init__(self, frozen: float = 0.0):
        self._frozen = frozen

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Measure, before the network is compiled or trained."""
        nets: Any = pl_module.nets
        net, *averaged = nets
        if self._frozen:
            follows = trainer.global_step < self._frozen * trainer.estimated_stepping_batches
            for layer in measured_layers(net).values():
                layer.follows = follows
        layers = unaligned(net)
        if batch_idx or not layers:
            return
        inputs = batch[0]
        align(net, inputs.to(pl_module.dtype) if inputs.is_floating_point() else inputs)
        if trainer.world_size > 1:
            _share(trainer, list(layers.values()))
        for other in averaged:
            for name, interval in _found(layers).items():
                other.get_submodule(name).interval = interval.clone()


def _found(layers: dict[str, HighOrderLayer]) -> dict[str, Tensor]:
    """Give the intervals of the layers that the batch has reached, by name."""
    return {name: layer.interval for name, layer in layers.items() if layer.interval is not None}


def _share(trainer: pl.Trainer, layers: list[HighOrderLayer]) -> None:
    """Give all processes the intervals of rank 0."""
    for layer, interval in zip(layers, trainer.strategy.broadcast([each.interval for each in layers]), strict=True):
        layer.interval = interval if interval is None else interval.to(layer.weight)
