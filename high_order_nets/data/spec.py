"""What a network must know of its data: plain numbers, no data."""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from .images.normalise import Normalisation


class Spec(Protocol):
    """The data as a network meets it."""

    kind: ClassVar[str]
    """What the data are, in the plural: images, points, …"""

    def example(self, batch: int, device: str = "cpu") -> Tensor:
        """Give an input of zeros as the network gets it, (batch, …): for counting, checking and tracing."""
        ...

    def offers(self) -> dict[str, Any]:
        """Give its numbers by the names of the parameters, of a network's builder or of a task, that ask for them."""
        ...


@dataclass(frozen=True)
class ImageSpec:
    """Square images with classes: pixels (batch, channels, image_size, image_size), scaled by `normalisation`."""

    channels: int
    image_size: int
    classes: tuple[str, ...]
    normalisation: Normalisation
    kind: ClassVar[str] = "images"

    def example(self, batch: int, device: str = "cpu") -> Tensor:
        """Give black images."""
        return torch.zeros(batch, self.channels, self.image_size, self.image_size, device=device)

    def offers(self) -> dict[str, Any]:
        """Give channels, image_size, num_classes and normalisation."""
        sizes = {"channels": self.channels, "image_size": self.image_size, "num_classes": len(self.classes)}
        return sizes | {"normalisation": self.normalisation}


@dataclass(frozen=True)
class PointSpec:
    """Numbers that belong to numbers: inputs (batch, inputs), outputs (batch, outputs).

    An output of 0 in the network is one of `means` in the data, and a step of 1 one of `deviations`; of the inputs
    these are `origins` and `units`.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    deviations: tuple[float, ...]
    means: tuple[float, ...]
    origins: tuple[float, ...] = ()
    units: tuple[float, ...] = ()
    kind: ClassVar[str] = "points"

    def example(self, batch: int, device: str = "cpu") -> Tensor:
        """Give the middle of the inputs."""
        return torch.zeros(batch, len(self.inputs), device=device)

    def offers(self) -> dict[str, Any]:
        """Give inputs and outputs, how many there are, the outputs' names, and what 0 and 1 are in the data."""
        sizes = {"inputs": len(self.inputs), "outputs": len(self.outputs), "output_names": self.outputs}
        return sizes | {key: getattr(self, key) for key in ("means", "deviations", "origins", "units")}


@dataclass(frozen=True)
class TextSpec:
    """Rows of tokens 0 … vocabulary - 1: inputs int64 (batch, context)."""

    vocabulary: int
    context: int
    kind: ClassVar[str] = "text"

    def example(self, batch: int, device: str = "cpu") -> Tensor:
        """Give the first word over and over."""
        return torch.zeros(batch, self.context, dtype=torch.int64, device=device)

    def offers(self) -> dict[str, Any]:
        """Give vocabulary and context."""
        return {"vocabulary": self.vocabulary, "context": self.context}
