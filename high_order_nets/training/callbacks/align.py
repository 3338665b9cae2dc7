"""Alignment of a network with its first training batch, or with all while its functions do not move."""

from typing import Any

import pytorch_lightning as pl
from torch import nn

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
        inputs, starts = batch[0], {layer: layer.start for layer in layers.values()}
        align(net, inputs.to(pl_module.dtype) if inputs.is_floating_point() else inputs)
        if trainer.world_size > 1:
            _share(trainer, starts)
        for other in averaged:
            _pass_on(layers, starts, other)


def _pass_on(layers: dict[str, HighOrderLayer], starts: dict[HighOrderLayer, Any], net: nn.Module) -> None:
    """Give the same layers of another network the intervals that the batch has reached, and what begins for them."""
    for name, layer in layers.items():
        other: Any = net.get_submodule(name)
        if layer.interval is not None:
            other.interval = layer.interval.clone()
            if starts[layer]:
                starts[layer].write(other)
            other.start = None


def _share(trainer: pl.Trainer, starts: dict[HighOrderLayer, Any]) -> None:
    """Give all processes the intervals of rank 0; what is to begin as it was is written anew for them."""
    intervals = trainer.strategy.broadcast([layer.interval for layer in starts])
    for (layer, start), interval in zip(starts.items(), intervals, strict=True):
        layer.interval = interval if interval is None else interval.to(layer.weight)
        if start and interval is not None:
            start.write(layer)
