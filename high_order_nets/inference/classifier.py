"""A trained classifier: a module that takes images as they come."""

from typing import Any

from torch import Tensor, nn

from ..data.images.normalise import Normalisation
from .images import OfImages


class Classifier(OfImages):
    """logits (batch, classes) of images (batch, channels, height, width): uint8, or floats in [0, 1].

    Scales and resizes the images as the run did. `classes` names the outputs; `metadata` holds the run's `config`, its
    `metrics` (empty where they are not known) and the `normalisation`. Raises ValueError for other images.
    """

    gives = "logits"
    """The name of the output of what is exported."""

    def __init__(
        self, net: nn.Module, normalisation: Normalisation, classes: tuple[str, ...], metadata: dict[str, Any]
    ):
        super().__init__(net, normalisation, metadata)
        self.classes = classes

    def forward(self, images: Tensor) -> Tensor:
        """Classify a batch."""
        return self.net(self.scaled(images))

    def probabilities(self, images: Tensor) -> Tensor:
        """Give the probability of each class, (batch, classes)."""
        logits = self(images)
        if self.metadata["config"]["loss"] == "mse":  # trained to be the probabilities themselves
            return nn.functional.normalize(logits.clamp(min=1e-6), p=1.0)
        return logits.softmax(1)
