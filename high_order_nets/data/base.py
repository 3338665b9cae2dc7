"""What every kind of data offers to those who train, draw and test."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
from torch import Tensor

from .spec import Spec


class Data(pl.LightningDataModule, ABC):
    """Data of some kind. Batches are tuples, the network's input first; `state_dict` goes into every checkpoint."""

    start: tuple[int, int] = (0, 0)
    """The (epoch, batch) that a resumed run begins with; set before Lightning asks for the loaders."""

    @property
    @abstractmethod
    def spec(self) -> Spec:
        """What a network must know of the data."""

    def check_saved(self, checkpoint: Mapping[str, Any]) -> None:
        """Refuse a checkpoint of a run on data that were others, where they tell: by default they do not."""
        del checkpoint

    def part(self, batch_size: int, *, training: bool) -> dict[str, Any]:
        """Say to EpochBatches which part of a step is this process's, and where a resumed run begins."""
        trainer = self.trainer
        processes = trainer.world_size if trainer else 1
        return {
            "batch_size": max(1, batch_size // processes),
            "training": training,
            "rank": trainer.global_rank if trainer else 0,
            "world_size": processes,
            "start": self.start if training else (0, 0),
        }

    @abstractmethod
    def sample(self, count: int, like: Tensor) -> Tensor:
        """Give at most `count` training inputs to look at a network with, of the dtype and device of `like`.

        They are from all over the set, and as training sees them. No random state is touched.
        """
