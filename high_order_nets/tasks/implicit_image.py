"""Implicit images: a picture as the function that gives the colours of its places."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.image import PeakSignalNoiseRatio

from .base import Split
from .regression import Regression


class Psnr(PeakSignalNoiseRatio):
    """-10 log10(mean square error) in dB, over all pixels and channels, of values clipped to [0, 1]."""

    def __init__(self, means: Tensor, deviations: Tensor):
        super().__init__(data_range=(0.0, 1.0))
        self._means, self._deviations = means, deviations

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Add a batch, (batch, channels) both, scaled."""
        super().update(*map(self._in_units, (preds, target)))

    def _in_units(self, values: Tensor) -> Tensor:
        return values * self._deviations.to(values) + self._means.to(values)


class ImplicitImage(Regression, name="implicit_image"):
    """Fit a picture's values in [0, 1] at the places of its pixels: a Regression that is judged by its PSNR."""

    headline: ClassVar[str] = "psnr"
    scores: ClassVar[tuple[str, ...]] = ("psnr",)

    def __init__(self, means: Sequence[float], *args: Any, **options: Any):
        self._means = torch.tensor(means)
        super().__init__(*args, **options)

    def make_metrics(self, split: Split) -> dict[str, Metric]:
        """Give the PSNR beside the errors."""
        return {"psnr": Psnr(self._means, self._deviations)} | super().make_metrics(split)
