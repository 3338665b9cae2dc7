"""A trained classifier: a module that takes images as they come."""

from typing import Any

import torch
from torch import Tensor, nn

from ..data.images.normalise import Normalisation


class Classifier(nn.Module):
    """logits (batch, classes) of images (batch, channels, height, width): uint8, or floats in [0, 1].

    Scales and resizes the images as the run did. `classes` names the outputs; `metadata` holds the run's `config`, its
    `metrics` (empty where they are not known) and the `normalisation`. Raises ValueError for other images.
    """

    takes = "images"
    """What it takes, the name of the input of what is exported."""

    def __init__(
        self, net: nn.Module, normalisation: Normalisation, classes: tuple[str, ...], metadata: dict[str, Any]
    ):
        super().__init__()
        self.net = net
        self.normalisation = normalisation
        self.classes = classes
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

    def forward(self, images: Tensor) -> Tensor:
        """Classify a batch."""
        self._check(images)
        pixels = images * 255 if images.is_floating_point() else images
        return self.net(self.normalisation(pixels, next(self.net.parameters()).dtype))

    def probabilities(self, images: Tensor) -> Tensor:
        """Give the probability of each class, (batch, classes)."""
        logits = self(images)
        if self.metadata["config"]["loss"] == "mse":  # trained to be the probabilities themselves
            return nn.functional.normalize(logits.clamp(min=1e-6), p=1.0)
        return logits.softmax(1)

    def _check(self, images: Tensor) -> None:
        if images.ndim != 4 or images.shape[1] != self.channels:
            raise ValueError(f"images {tuple(images.shape)}: expected (batch, {self.channels}, height, width)")
        if images.dtype != torch.uint8 and not images.is_floating_point():
            raise ValueError(f"images of {images.dtype}: expected uint8, or floats in [0, 1]")
        if images.is_floating_point() and not torch.compiler.is_compiling():
            low, high = (float(end) for end in images.detach().aminmax())
            # Pixels 0 … 255 as floats, or images normalised already, would be classified as nonsense in silence.
            if not -1e-3 <= low <= high <= 1 + 1e-3:
                raise ValueError(f"images from {low:.4g} to {high:.4g}: floats must lie in [0, 1]")
