"""The images of one data set, in memory or mapped from a file."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class ImageData:
    """Holds the two splits of an image data set and the names of its classes.

    Images are uint8 (N, C, H, W), labels int64 (N,) indices into `classes`.
    """

    name: str
    classes: tuple[str, ...]
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor

    @property
    def channels(self) -> int:
        """Count the colour channels C of an image."""
        return self.train_images.shape[1]

    @property
    def image_size(self) -> int:
        """Give the height H of an image in pixels; images are square."""
        return self.train_images.shape[2]
