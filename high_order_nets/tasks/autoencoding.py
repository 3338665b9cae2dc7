"""Autoencoders: images from their codes, and the bound on the probability of images."""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torchmetrics import MeanMetric, MeanSquaredError, Metric
from torchmetrics.image import PeakSignalNoiseRatio

from ..data.batches import derive_seed
from ..data.images.normalise import Normalisation
from ..errors import UserError
from ..models.autoencoder import ConvAutoencoder, ConvVariationalAutoencoder
from .base import MakeOptimizers, Outcome, Split, Task

Batch = tuple[Tensor, Tensor]
"""Scaled images (batch, channels, size, size) and labels (batch,), which are not looked at."""


class Autoencoding(Task, name="autoencoder"):
    """Reconstruct images: the loss is the squared error, mean over batch and pixels, which lie in [0, 1].

    Of the same errors, over all pixels of a split: rmse = √mse, and psnr = -10 log₁₀ mse, in dB.
    """

    headline: ClassVar[str] = "psnr"
    scores: ClassVar[tuple[str, ...]] = ("psnr", "rmse")
    networks: ClassVar[type[nn.Module]] = ConvAutoencoder

    def __init__(
        self, net: nn.Module, normalisation: Normalisation, make_optimizers: MakeOptimizers, **options: object
    ):
        if not isinstance(net, self.networks):
            name = self.networks.task  # type: ignore[attr-defined]
            raise UserError(f"task={name}: {type(net).__name__} has no decoder; take model_name={name}")
        self._normalisation = normalisation
        super().__init__(net, make_optimizers, **options)  # type: ignore[arg-type]

    def make_metrics(self, split: Split) -> dict[str, Metric]:
        """Give the errors of pixels."""
        del split
        return {"psnr": PeakSignalNoiseRatio(data_range=1.0), "rmse": MeanSquaredError(squared=False)}

    def pixels(self, inputs: Tensor) -> Tensor:
        """Give the pixels in [0, 1] that were scaled to these inputs."""
        return (self._normalisation.back(inputs) / 255).clamp(0, 1)

    def outcome(self, batch: Batch, split: Split) -> Outcome:
        """Compare with the images themselves."""
        inputs = batch[0].to(self.dtype)
        pixels = self.pixels(inputs)
        found = self.net(inputs).to(pixels.dtype)
        metrics = {"preds": found.detach(), "target": pixels}
        return Outcome(F.mse_loss(found, pixels), len(pixels), metrics, found)


class PartsOfBound(MeanMetric):
    """The mean over images of a log p(x|z) + b KL(q(z|x) || p(z))."""

    def __init__(self, likelihood: float, divergence: float):
        super().__init__(nan_strategy="disable")
        self._factors = likelihood, divergence

    def update(self, parts: Tensor) -> None:  # type: ignore[override]
        """Add a batch of both, (batch, 2)."""
        super().update(parts @ parts.new_tensor(self._factors))


class VariationalAutoencoding(Autoencoding, name="variational_autoencoder"):
    """Maximise the evidence lower bound, ELBO = E_q(z|x) log p(x|z) - KL(q(z|x) || p(z)) ≤ log p(x), in nats an image.

    Kingma and Welling (arXiv:1312.6114), with one code drawn an image. The loss is -log p(x|z) + `beta` KL (Higgins et
    al., ICLR 2017); `elbo` and its parts `reconstruction` and `kl` are without beta.
    In training codes are drawn from torch's generator, which each step is seeded for. In evaluation the noise of the
    i-th image of a split is a function of i alone: not of the random state, nor of the batches or the epoch.
    """

    headline: ClassVar[str] = "elbo"
    scores: ClassVar[tuple[str, ...]] = ("elbo",)
    networks: ClassVar[type[nn.Module]] = ConvVariationalAutoencoder

    def __init__(
        self,
        net: nn.Module,
        normalisation: Normalisation,
        make_optimizers: MakeOptimizers,
        *,
        beta: float = 1.0,
        **options: object,
    ):
        super().__init__(net, normalisation, make_optimizers, **options)
        self._beta = beta

    def make_metrics(self, split: Split) -> dict[str, Metric]:
        """Give the bound and its two parts."""
        del split
        return {"elbo": PartsOfBound(1, -1), "reconstruction": PartsOfBound(1, 0), "kl": PartsOfBound(0, 1)}

    def outcome(self, batch: Batch, split: Split) -> Outcome:
        """Draw a code an image and compute both parts."""
        inputs = batch[0].to(self.dtype)
        parts = self.net(inputs, self.pixels(inputs), self._noise(inputs, split))
        loss = parts.mean(0) @ parts.new_tensor([-1.0, self._beta])
        return Outcome(loss, len(parts), {"parts": parts.detach()}, parts)

    def _noise(self, inputs: Tensor, split: Split) -> Tensor:
        shape = len(inputs), self.net.latent
        if split == "train":
            return torch.randn(shape, device=inputs.device, dtype=inputs.dtype)  # type: ignore[arg-type]
        done = int(self.figures[f"{split}_"]["loss"].weight)  # type: ignore[index]
        trainer = self._trainer
        rank, processes = (trainer.global_rank, trainer.world_size) if trainer else (0, 1)
        return noise_of([rank + processes * (done + place) for place in range(len(inputs))], shape[1]).to(inputs)  # type: ignore[arg-type]


def noise_of(places: list[int], latent: int) -> Tensor:
    """Give the noise of the images at these places of a split, (images, latent)."""
    seeds = (derive_seed(0, place) for place in places)
    return torch.stack([torch.randn(latent, generator=Generator().manual_seed(seed)) for seed in seeds])
