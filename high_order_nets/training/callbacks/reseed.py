"""What torch draws in a training step, as a function of (seed, epoch, step, process): nothing of it needs saving."""

from typing import Any

import pytorch_lightning as pl
import torch

from ...data.batches import derive_seed

_EPOCH_START = 2**32 - 1
"""Stands for the batch in what is drawn between two epochs."""


class Reseed(pl.Callback):
    """Seed torch's generators at the start of each epoch and of each step, for dropout, noise and new weights.

    Order and augmentation of the images have generators of their own, seeded in the same way (`data.batches`).
    """

    def __init__(self, seed: int):
        self._seed = seed

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Seed what other callbacks draw, the same in all processes."""
        _seed(trainer, derive_seed(self._seed, trainer.current_epoch, _EPOCH_START))

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seed the step."""
        seed_step(self._seed, trainer, batch_idx)


def seed_step(seed: int, trainer: pl.Trainer, batch_idx: int) -> None:
    """Seed torch's generators, of all devices, for a step of the current epoch in this process."""
    # One number more than the loader's seeds, so that dropout and augmentation draw different numbers.
    _seed(trainer, derive_seed(seed, trainer.current_epoch, batch_idx, trainer.global_rank, 1))


def _seed(trainer: pl.Trainer, seed: int) -> None:
    if trainer.strategy.root_device.type == "cpu":
        torch.default_generator.manual_seed(seed)  # 1 µs; torch.manual_seed looks for devices, which takes 150
    else:
        torch.manual_seed(seed)
