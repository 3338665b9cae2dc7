"""Convolutional autoencoders: images to short codes and back, deterministic and variational."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from ..errors import UserError
from .likelihood import LIKELIHOODS

KERNEL, STRIDE, PADDING = 4, 2, 1
"""The kernel is twice the stride, so that transposed convolutions reach all pixels equally often."""


@dataclass(frozen=True)
class Sizes:
    """What an autoencoder is made of.

    `latent` numbers make a code; each of `stages` convolutions halves the side of the image, the first to
    `hidden_channels` channels, each further one to twice as many.
    """

    channels: int
    image_size: int
    latent: int
    hidden_channels: int
    stages: int

    def __post_init__(self):
        if self.image_size < 2**self.stages:
            most = self.image_size.bit_length() - 1
            raise UserError(
                f"model_name.stages={self.stages}: images of {self.image_size} pixels can be halved {most} times"
            )

    @property
    def sides(self) -> list[int]:
        """Sides of the images and of what each stage gives, in pixels."""
        return [self.image_size // 2**stage for stage in range(self.stages + 1)]


class ConvAutoencoder(nn.Module):
    """Pixels in [0, 1] (batch, channels, size, size) of scaled images of that shape, by way of codes (batch, latent).

    The encoder halves the side with each convolution and ends in a fully connected layer; the decoder goes the same way
    back by transposed convolutions. Batch norm and ReLU follow on all layers but the code and the last.
    """

    task: ClassVar[str] = "autoencoder"
    """The only task that trains it."""
    per_code: ClassVar[int] = 1
    """Numbers of the encoder for each number of the code."""

    def __init__(self, sizes: Sizes):
        super().__init__()
        self.sizes, self.latent = sizes, sizes.latent
        self._make(1.0)

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruct."""
        return self.decode(self.encode(x))

    def encode(self, x: Tensor) -> Tensor:
        """Scaled images → codes (batch, latent)."""
        return self.encoder(x)

    def decode(self, codes: Tensor) -> Tensor:
        """Codes (batch, latent) → pixels in [0, 1]."""
        return self.decoder(codes).sigmoid()

    def rescale_planes(self, divisor: float) -> None:
        """Divide the hidden channels, rounding to the nearest; all weights are new. The codes keep their size."""
        like = next(self.parameters())
        with like.device:
            self._make(divisor)
        self.to(like)

    def _make(self, divisor: float) -> None:
        sizes = self.sizes
        hidden = [max(1, round(sizes.hidden_channels * 2**stage / divisor)) for stage in range(sizes.stages)]
        widths, sides = [sizes.channels, *hidden], sizes.sides
        inner = widths[-1] * sides[-1] ** 2
        down = [_down(*widths[stage : stage + 2]) for stage in range(sizes.stages)]
        up = [
            _up(widths[stage + 1], widths[stage], sides[stage] % 2, last=stage == 0)
            for stage in reversed(range(sizes.stages))
        ]
        self.encoder = nn.Sequential(*down, nn.Sequential(nn.Flatten(), nn.Linear(inner, self.per_code * sizes.latent)))
        grid = nn.Unflatten(1, (widths[-1], sides[-1], sides[-1]))
        first = nn.Sequential(nn.Linear(sizes.latent, inner, bias=False), grid, nn.BatchNorm2d(widths[-1]), nn.ReLU())
        self.decoder = nn.Sequential(first, *up)


class ConvVariationalAutoencoder(ConvAutoencoder):
    """The same with normal codes: the encoder gives their means and log variances, and so the bound on log p(x).

    Kingma and Welling, Auto-Encoding Variational Bayes (arXiv:1312.6114): p(z) = N(0, 1), q(z|x) = N(μ(x), σ²(x)), and
    p(x|z) of `likelihood`, one of LIKELIHOODS.
    """

    task: ClassVar[str] = "variational_autoencoder"
    per_code: ClassVar[int] = 2

    def __init__(self, sizes: Sizes, likelihood: str):
        super().__init__(sizes)
        self.likelihood = LIKELIHOODS[likelihood]()

    def forward(self, x: Tensor, pixels: Tensor | None = None, noise: Tensor | None = None) -> Tensor:
        """Reconstruct by the means of the codes; or, with pixels, give log p(x|z) and KL(q(z|x) || p(z)), (batch, 2).

        `pixels` in [0, 1] are those that x was scaled of; z = μ + σ · noise (batch, latent). In nats an image.
        """
        mean, log_variance = self.distribution(x)
        if pixels is None or noise is None:
            return self.decode(mean)
        outputs = self.decoder(mean + (log_variance / 2).exp() * noise)
        return torch.stack([self.likelihood(outputs.to(pixels.dtype), pixels), divergence(mean, log_variance)], 1)

    def encode(self, x: Tensor) -> Tensor:
        """Scaled images → means of the codes (batch, latent)."""
        return self.distribution(x)[0]

    def distribution(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Scaled images → means and log variances of the codes, (batch, latent) each."""
        mean, log_variance = self.encoder(x).to(x.dtype).chunk(2, 1)
        return mean, log_variance


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(μ, σ²) || N(0, 1)) = ½ Σ (μ² + σ² - 1 - log σ²) over the code: (batch, latent) → (batch,).

    Kingma and Welling, appendix B.
    """
    return (mean.square() + log_variance.exp() - 1 - log_variance).sum(1) / 2


def autoencoder(channels: int, image_size: int, latent: int, hidden_channels: int, stages: int) -> ConvAutoencoder:
    """Make the network of `model_name=autoencoder`."""
    return ConvAutoencoder(Sizes(channels, image_size, latent, hidden_channels, stages))


def variational_autoencoder(
    channels: int, image_size: int, latent: int, hidden_channels: int, stages: int, likelihood: str = "auto"
) -> ConvVariationalAutoencoder:
    """Make the network of `model_name=variational_autoencoder`; likelihood auto: see LIKELIHOODS."""
    if likelihood == "auto":
        likelihood = "bernoulli" if channels == 1 else "gaussian"
    return ConvVariationalAutoencoder(Sizes(channels, image_size, latent, hidden_channels, stages), likelihood)


def _down(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, KERNEL, STRIDE, PADDING, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


def _up(inputs: int, outputs: int, odd: int, *, last: bool) -> nn.Sequential:
    """Double the side, and one pixel more where it is `odd`."""
    layer = nn.ConvTranspose2d(inputs, outputs, KERNEL, STRIDE, PADDING, odd, bias=last)
    return nn.Sequential(layer, *([] if last else [nn.BatchNorm2d(outputs), nn.ReLU()]))
