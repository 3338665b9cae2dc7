"""What is trained on images, as a module that takes images as they come."""

from typing import Any

import torch
from torch import Tensor, nn

from ..data.images.normalise import Normalisation


class OfImages(nn.Module):
    """A network with the scaling of the images that it was trained on; `metadata` is what the file says of the run."""

    takes = "images"
    """What it takes, the name of the input of what is exported."""

    def __init__(self, net: nn.Module, normalisation: Normalisation, metadata: dict[str, Any]):
        super().__init__()
        self.net = net
        self.normalisation = normalisation
        self.metadata = metadata

    @property
    def channels(self) -> int:
        """Count the channels of an image."""
        return len(self.normalisation.offset)

    @property
    def image_size(self) -> int:
        """Give the side in pixels that images are resized to."""
        assert self.normalisation.image_size is not None
        return self.normalisation.image_size

    def example(self, batch: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw images (batch, channels, size, size) in [0, 1]."""
        return torch.rand(batch, self.channels, self.image_size, self.image_size, generator=generator)

    def scaled(self, images: Tensor) -> Tensor:
        """Give what the network takes of images (batch, channels, height, width), uint8 or floats in [0, 1]."""
        self._check(images)
        pixels = images * 255 if images.is_floating_point() else images
        return self.normalisation(pixels, next(self.net.parameters()).dtype)

    def _check(self, images: Tensor) -> None:
        if images.ndim != 4 or images.shape[1] != self.channels:
            raise ValueError(f"images {tuple(images.shape)}: expected (batch, {self.channels}, height, width)")
        if images.dtype != torch.uint8 and not images.is_floating_point():
            raise ValueError(f"images of {images.dtype}: expected uint8, or floats in [0, 1]")
        if images.is_floating_point() and not torch.compiler.is_compiling():
            low, high = (float(end) for end in images.detach().aminmax())
            # Pixels 0 … 255 as floats, or images normalised already, would be taken for something else in silence.
            if not -1e-3 <= low <= high <= 1 + 1e-3:
                raise ValueError(f"images from {low:.4g} to {high:.4g}: floats must lie in [0, 1]")
