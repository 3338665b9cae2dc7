"""The Lightning data module of points: splits, loaders, and the scaling of inputs and outputs."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ..base import Data
from ..batches import EpochBatches, make_loader
from ..spec import PointSpec
from ..split import split_indices
from .scaling import Scaling
from .tables import Points

NORMALIZE = ("interval", "standard", "none")


@dataclass(frozen=True)
class PointSettings:
    """Says how points are split, ordered and scaled.

    `normalize` interval maps each input's range to [-interval/2, interval/2]; standard maps its mean to 0 and two
    standard deviations to interval/2; none leaves it. `standardize` gives the outputs mean 0 and deviation 1. All by
    the points trained on.
    """

    batch_size: int = 128
    seed: int = 1
    train_fraction: float = 1.0
    val_fraction: float = 0.0
    normalize: str = "interval"
    interval: float = 2.0
    standardize: bool = True
    dtype: torch.dtype = torch.float32


class PointBatches(Dataset[tuple[Tensor, Tensor]]):
    """Maps (indices, seed) to (x, y), a whole batch; nothing is random that would need the seed."""

    def __init__(self, x: Tensor, y: Tensor):
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: tuple[Tensor, int]) -> tuple[Tensor, Tensor]:
        chosen, _ = index
        return self.x.index_select(0, chosen), self.y.index_select(0, chosen)


class PointDataModule(Data):
    """Serves points to Lightning: batches (x, y), scaled, of the settings' dtype.

    `inputs` and `outputs` are the scalings; `points` are those of the data, unscaled.
    """

    def __init__(self, points: Points, settings: PointSettings):
        super().__init__()
        self.points, self.settings = points, settings
        self.train_indices, self.val_indices = split_indices(
            len(points.train_x),
            train_fraction=settings.train_fraction,
            val_fraction=settings.val_fraction,
            seed=settings.seed,
            things="points",
        )
        self.inputs, self.outputs = self._make_scalings()
        self._train = self._scaled(points.train_x, points.train_y)
        self._test = self._scaled(points.test_x, points.test_y)

    @property
    def spec(self) -> PointSpec:
        """What a network must know of the points."""
        units, deviations = (tuple(1 / f for f in scaling.factor) for scaling in (self.inputs, self.outputs))
        names = self.points.inputs, self.points.outputs
        return PointSpec(*names, deviations, self.outputs.offset, self.inputs.offset, units)

    def state_dict(self) -> dict[str, Any]:
        """Put into every checkpoint what is needed to use it: the names of the columns and the scalings."""
        names = {"inputs": list(self.points.inputs), "outputs": list(self.points.outputs)}
        return names | {"scaling": {"inputs": _plain(self.inputs), "outputs": _plain(self.outputs)}}

    def sample(self, count: int, like: Tensor) -> Tensor:
        """Give inputs (≤ count, inputs) trained on, from all over the set."""
        steps = torch.linspace(0, len(self.train_indices) - 1, min(count, len(self.train_indices))).long()
        return self._train[0].index_select(0, self.train_indices[steps]).to(like)

    def train_dataloader(self) -> DataLoader:
        """Load the points trained on, in a new order each epoch."""
        return self._loader(*self._train, self.train_indices, training=True)

    def val_dataloader(self) -> DataLoader | list[DataLoader]:
        """Load the held-out points; an empty list, which Lightning takes for none, when val_fraction is 0."""
        return self._loader(*self._train, self.val_indices, training=False) if len(self.val_indices) else []

    def test_dataloader(self) -> DataLoader:
        """Load the points to test on."""
        return self._loader(*self._test, torch.arange(len(self._test[0])), training=False)

    def _loader(self, x: Tensor, y: Tensor, indices: Tensor, *, training: bool) -> DataLoader:
        part = self.part(self.settings.batch_size, training=training)
        batches = EpochBatches(indices, seed=self.settings.seed, items="points", **part)
        return make_loader(PointBatches(x, y), batches)

    def _scaled(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return self.inputs(x).to(self.settings.dtype), self.outputs(y).to(self.settings.dtype)

    def _make_scalings(self) -> tuple[Scaling, Scaling]:
        settings, points = self.settings, self.points
        x, y = (part[self.train_indices] for part in (points.train_x, points.train_y))
        low, high = torch.aminmax(x, dim=0) if points.bounds is None else map(x.new_tensor, points.bounds)
        inputs = {
            "none": lambda: Scaling.none(x.shape[1]),
            "interval": lambda: Scaling.to_interval(low, high, settings.interval),
            "standard": lambda: Scaling.to_standard(x, settings.interval / 4),
        }[settings.normalize]()
        return inputs, Scaling.to_standard(y) if settings.standardize else Scaling.none(y.shape[1])


def _plain(scaling: Scaling) -> dict[str, list[float]]:
    return {key: list(values) for key, values in asdict(scaling).items()}
