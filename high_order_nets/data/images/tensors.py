"""The images of one data set, in memory or mapped from a file."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...errors import UserError
from ..split import stratified

SPLITS = ("official", "dev")
DEV_FRACTION = 0.1


@dataclass(frozen=True, eq=False)
class ImageData:
    """Holds the two splits of an image data set and the names of its classes.

    Images are uint8 (N, C, H, W), labels int64 (N,) indices into `classes`. So many of the last training images as
    `validation` says are not to train on, but the validation images of the data set.
    """

    name: str
    classes: tuple[str, ...]
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    validation: int = 0

    @property
    def channels(self) -> int:
        """Count the colour channels C of an image."""
        return self.train_images.shape[1]

    @property
    def image_size(self) -> int:
        """Give the height H of an image in pixels; images are square."""
        return self.train_images.shape[2]

    def check(self) -> None:
        """Raise ValueError unless the images are square uint8 of one shape, with a label in range for each."""
        for images, labels in ((self.train_images, self.train_labels), (self.test_images, self.test_labels)):
            square = images.ndim == 4 and images.shape[2] == images.shape[3] and images.numel()
            if images.dtype != torch.uint8 or not square:
                raise ValueError(f"images are {images.dtype} {tuple(images.shape)}, not square uint8 (N, C, H, W)")
            if images.shape[1:] != self.train_images.shape[1:]:
                raise ValueError("training and test images differ in shape")
            if labels.dtype != torch.int64 or labels.shape != images.shape[:1]:
                raise ValueError(f"labels are {labels.dtype} {tuple(labels.shape)}, not one int64 an image")
            if labels.min() < 0 or labels.max() >= len(self.classes):
                raise ValueError(f"labels lie outside 0 … {len(self.classes) - 1}")
        if not 0 <= self.validation < len(self.train_images):
            raise ValueError(f"{self.validation} of {len(self.train_images)} training images are for validation")

    def split(self, name: str) -> "ImageData":
        """Give the splits of this name: the `official` ones, or `dev`: of the training images alone.

        dev holds out a tenth of each class of them, the same in every run, in the place of the test images: to choose
        settings by, so that the test images stay unseen. Raises UserError for another name or too few images.
        """
        if name not in SPLITS:
            raise UserError(f"dataset.split={name}: expected one of {', '.join(SPLITS)}")
        if name == "official":
            return self
        own = len(self.train_labels) - self.validation
        rest, held_out = stratified(self.train_labels[:own], DEV_FRACTION)
        if not len(held_out):
            raise UserError(f"dataset.split=dev: a tenth of each class of {self.name}'s training images is none")
        rest = torch.cat([rest, torch.arange(own, len(self.train_labels))])
        train = self.train_images.index_select(0, rest), self.train_labels.index_select(0, rest)
        test = self.train_images.index_select(0, held_out), self.train_labels.index_select(0, held_out)
        return replace(self, train_images=train[0], train_labels=train[1], test_images=test[0], test_labels=test[1])
