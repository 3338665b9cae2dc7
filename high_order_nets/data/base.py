"""What every kind of data offers to those who train, draw and test."""

from abc import ABC, abstractmethod

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

    @abstractmethod
    def sample(self, count: int, like: Tensor) -> Tensor:
        """Give at most `count` training inputs to look at a network with, of the dtype and device of `like`.

        They are from all over the set, and as training sees them. No random state is touched.
        """
