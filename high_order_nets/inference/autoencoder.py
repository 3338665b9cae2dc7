"""A trained autoencoder: images to codes, codes to images, in units of pixels."""

from typing import Any

import torch
from torch import Tensor

from ..data.images.normalise import Normalisation
from ..models.autoencoder import ConvAutoencoder, ConvVariationalAutoencoder
from .images import OfImages


class Autoencoder(OfImages):
    """Reconstructions, in [0, 1], of images (batch, channels, height, width): uint8, or floats in [0, 1].

    Scales and resizes the images as the run did; what it gives is (batch, channels, size, size). `latent` is the width
    of a code; `metadata` holds the run's `config`, its `metrics` (empty where they are not known) and the
    `normalisation`. Raises ValueError for other images or codes.
    """

    gives = "reconstructions"
    """The name of the output of what is exported."""
    net: ConvAutoencoder

    def __init__(self, net: ConvAutoencoder, normalisation: Normalisation, metadata: dict[str, Any]):
        super().__init__(net, normalisation, metadata)
        self.latent = net.latent

    def forward(self, images: Tensor) -> Tensor:
        """Reconstruct a batch."""
        return self.net(self.scaled(images))

    def encode(self, images: Tensor) -> Tensor:
        """Give codes (batch, latent); of a variational one their means."""
        return self.net.encode(self.scaled(images))

    def decode(self, codes: Tensor) -> Tensor:
        """Give the images of codes (batch, latent)."""
        if codes.ndim != 2 or codes.shape[1] != self.latent or not codes.is_floating_point():
            raise ValueError(f"codes {tuple(codes.shape)} of {codes.dtype}: expected floats (batch, {self.latent})")
        return self.net.decode(codes.to(next(self.net.parameters())))

    def sample(self, count: int, seed: int = 1) -> Tensor:
        """Give the images of codes drawn from the prior N(0, 1), the same for the same seed; the mean of each pixel.

        Raises ValueError for an autoencoder that is not variational, whose codes have no known distribution.
        """
        if not isinstance(self.net, ConvVariationalAutoencoder):
            raise ValueError("an autoencoder has no prior to sample from; train task=variational_autoencoder")
        return self.decode(torch.randn(count, self.latent, generator=torch.Generator().manual_seed(seed)))
