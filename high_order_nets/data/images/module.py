"""The Lightning data module of an image data set: splits, loaders, and what happens to a batch on the device."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from random import Random
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ...errors import UserError
from ..base import Data
from ..batches import EpochBatches, make_loader
from ..spec import ImageSpec
from ..split import split_indices
from .augment import Augment
from .mix import Mix
from .normalise import Normalisation
from .tensors import ImageData

NORMALIZE = ("interval", "standard")


@dataclass(frozen=True)
class ImageSettings:
    """Says how images are split, ordered, augmented and scaled.

    `batch_size` is that of a step, shared out among the processes that train. `normalize` interval maps pixels
    0 … 255 to [-interval/2, interval/2]; standard maps a channel's mean to 0 and two standard deviations, of the images
    trained on, to interval/2. `image_size` None keeps the size of the images. A `normalisation` goes before all three.
    """

    batch_size: int = 128
    seed: int = 1
    train_fraction: float = 1.0
    val_fraction: float = 0.0
    subset: str = "random"
    augment: Augment | None = None
    normalize: str = "interval"
    interval: float = 2.0
    image_size: int | None = None
    num_workers: int = 0
    pin_memory: bool = True
    mix: Mix | None = None
    normalisation: Normalisation | None = None

    def __post_init__(self):
        if self.batch_size < 1:
            raise UserError(f"batch_size={self.batch_size} must be at least 1")
        if self.num_workers < 0:
            raise UserError(f"num_workers={self.num_workers} must be 0 or more")
        if self.normalize not in NORMALIZE:
            raise UserError(f"dataset.normalize={self.normalize} must be one of {', '.join(NORMALIZE)}")
        if self.interval <= 0:
            raise UserError(f"dataset.interval={self.interval} must be greater than 0")
        if self.image_size is not None and self.image_size < 1:
            raise UserError(f"dataset.image_size={self.image_size} must be null or at least 1 pixel")


class ImageBatches(Dataset[tuple[Tensor, Tensor, int]]):
    """Maps (indices, seed) to (images uint8 (B, C, H, W), labels int64 (B,), seed): one item is a whole batch."""

    def __init__(self, images: Tensor, labels: Tensor):
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: tuple[Tensor, int]) -> tuple[Tensor, Tensor, int]:
        chosen, seed = index
        # index_select, which is ten times faster than images[chosen]
        return self.images.index_select(0, chosen), self.labels.index_select(0, chosen), seed


class ImageDataModule(Data):
    """Serves an image data set to Lightning.

    Loaders yield uint8 pixels, labels and a seed a batch; `on_after_batch_transfer` makes (inputs, labels) of them on
    the device, where the labels of a mixed batch are shares of the classes (B, classes). Augmentation happens in
    training only and depends on (seed, epoch, batch, rank), not on what else drew random numbers. `train_indices` and
    `val_indices` are the split of the training images; data that bring validation images have none held out for it.
    """

    def __init__(self, data: ImageData, settings: ImageSettings):
        super().__init__()
        self.data, self.settings = data, settings
        count = len(data.train_images) - data.validation
        self.train_indices, self.val_indices = split_indices(
            count,
            train_fraction=settings.train_fraction,
            val_fraction=0.0 if data.validation else settings.val_fraction,
            subset=settings.subset,
            seed=settings.seed,
        )
        if data.validation:
            self.val_indices = torch.arange(count, len(data.train_images))
        self._normalise = self._make_normalisation()

    @property
    def spec(self) -> ImageSpec:
        """What a network must know of the images."""
        return ImageSpec(self.channels, self.image_size, self.classes, self._normalise)

    @property
    def channels(self) -> int:
        """Count the channels of an input."""
        return self.data.channels

    @property
    def image_size(self) -> int:
        """Give the side of an input in pixels."""
        return self._normalise.image_size or self.data.image_size

    @property
    def classes(self) -> tuple[str, ...]:
        """Name the classes in the order of their labels."""
        return self.data.classes

    @property
    def num_classes(self) -> int:
        """Count the classes."""
        return len(self.data.classes)

    @property
    def normalisation(self) -> dict[str, Any]:
        """List the numbers of input = (pixel - offset) · factor a channel, and the input's size, ready for JSON."""
        numbers = asdict(self._normalise)
        cut = {key: numbers[key] for key in ("resize", "mode")} if numbers["resize"] else {}
        linear = {"offset": list(numbers["offset"]), "factor": list(numbers["factor"])}
        return linear | {"image_size": self.image_size} | cut

    def state_dict(self) -> dict[str, Any]:
        """Put into every checkpoint what is needed to use it: the classes and the normalisation."""
        return {"classes": list(self.classes), "normalisation": self.normalisation}

    def check_saved(self, checkpoint: Mapping[str, Any]) -> None:
        """Refuse other classes: a folder of one's own may have another one since, and all labels mean others then."""
        before = checkpoint.get(type(self).__qualname__, {}).get("classes", list(self.classes))
        if before != list(self.classes):
            gone, new = (
                ", ".join(str(name) for name in one if name not in other) or "none"
                for one, other in ((before, self.classes), (self.classes, before))
            )
            raise UserError(f"the run's data have other classes by now: without {gone}, with {new} in addition")

    def prepare(self, images: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Make inputs, `dtype` (B, C, S, S), of pixels 0 … 255 (B, C, H, W): scaled and resized, not augmented."""
        return self._normalise(images, dtype)

    def sample(self, count: int, like: Tensor) -> Tensor:
        """Give inputs (≤ count, C, S, S) made of training images, from all over the set, augmented as in training.

        By hand and not by a loader, which would draw from the generator that training draws from.
        """
        steps = torch.linspace(0, len(self.train_indices) - 1, min(count, len(self.train_indices))).long()
        images = self.data.train_images.index_select(0, self.train_indices[steps]).to(like.device)
        if self.settings.augment is not None:
            images = self.settings.augment(images, torch.Generator(like.device).manual_seed(0))
        return self.prepare(images, like.dtype)

    def train_dataloader(self) -> DataLoader:
        """Load the images trained on, in a new order each epoch."""
        return self._loader(self.data.train_images, self.data.train_labels, self.train_indices, training=True)

    def val_dataloader(self) -> DataLoader | list[DataLoader]:
        """Load the held-out images; an empty list, which Lightning takes for none, when val_fraction is 0."""
        if not len(self.val_indices):
            return []
        return self._loader(self.data.train_images, self.data.train_labels, self.val_indices, training=False)

    def test_dataloader(self) -> DataLoader:
        """Load the test images."""
        indices = torch.arange(len(self.data.test_images))
        return self._loader(self.data.test_images, self.data.test_labels, indices, training=False)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> tuple[Tensor, Tensor]:
        """Turn (uint8 images, labels, seed) into (inputs, labels) of the module's dtype on the batch's device."""
        images, labels, seed = batch
        trainer, settings = self.trainer, self.settings
        dtype = getattr(trainer and trainer.lightning_module, "dtype", torch.float32)
        if trainer is None or not trainer.training:
            return self.prepare(images, dtype), labels
        if settings.augment is not None:
            images = settings.augment(images, torch.Generator(images.device).manual_seed(seed))
        inputs = self.prepare(images, dtype)
        if settings.mix is None or not settings.mix.covers(trainer.current_epoch, trainer.max_epochs or 0):
            return inputs, labels
        return settings.mix(inputs, labels, self.num_classes, Random(seed))

    def _loader(self, images: Tensor, labels: Tensor, indices: Tensor, *, training: bool) -> DataLoader:
        settings = self.settings
        batches = EpochBatches(indices, seed=settings.seed, **self.part(settings.batch_size, training=training))
        dataset = ImageBatches(images, labels)
        return make_loader(dataset, batches, num_workers=settings.num_workers, pin_memory=settings.pin_memory)

    def _make_normalisation(self) -> Normalisation:
        settings = self.settings
        if settings.normalisation is not None:
            return settings.normalisation
        if settings.normalize == "interval":
            return Normalisation.to_interval(self.channels, settings.interval, settings.image_size)
        images = self.data.train_images
        return Normalisation.to_standard(images, settings.interval, settings.image_size, self.train_indices)
