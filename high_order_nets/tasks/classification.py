"""Image classification."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.classification import MulticlassAccuracy

from ..metrics import FLIPPED
from ..settings import Config
from .base import MakeOptimizers, Outcome, Split, Task, Way
from .examination import CalibrationError
from .losses import make_loss

Batch = tuple[Tensor, Tensor]
"""Images (batch, channels, height, width) and labels (batch,), or shares of the classes (batch, classes)."""


def cross_entropy(logits: Tensor, labels: Tensor, label_smoothing: float) -> Tensor:
    """-Σ_c p_c log softmax(logits)_c, mean over the batch; p_c as `labels` says, smoothed."""
    return F.cross_entropy(logits, labels, label_smoothing=label_smoothing)


def mse(logits: Tensor, labels: Tensor, label_smoothing: float) -> Tensor:
    """Squared distance of the logits to the one-hot labels or the shares, mean over batch and classes."""
    del label_smoothing
    shares = labels if labels.dim() == 2 else F.one_hot(labels, logits.shape[1])
    return F.mse_loss(logits, shares.to(logits.dtype))


LOSSES: dict[str, Callable[[Tensor, Tensor, float], Tensor]] = {"cross_entropy": cross_entropy, "mse": mse}


class Classification(Task, name="classification"):
    """Tell classes apart: loss, top-1 and top-5 accuracy. Evaluation losses are without label smoothing.

    With `test_flip` the test is also of the mean logits of each image and its mirror image.
    """

    headline: ClassVar[str] = "acc"

    def __init__(
        self,
        net: nn.Module,
        num_classes: int,
        make_optimizers: MakeOptimizers,
        *,
        loss: str | Config = "cross_entropy",
        label_smoothing: float = 0.0,
        channels_last: bool = False,
        test_flip: bool = False,
        **options: Any,
    ):
        self._classes = num_classes
        self._smoothing = label_smoothing
        self._memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self._test_flip, self._mirrors = test_flip, False
        super().__init__(net, make_optimizers, **options)
        self._loss = make_loss("loss", loss, LOSSES)

    def ways(self, split: Split) -> dict[str, Way]:
        """Give the ways of every task and, in a test, each of them with mirror images."""
        ways = super().ways(split)
        if split != "test" or not self._test_flip:
            return ways
        both: dict[str, Way] = {"": nullcontext, **ways}
        return ways | {f"{name}{FLIPPED}": partial(self._flipping, way) for name, way in both.items()}

    @contextmanager
    def _flipping(self, way: Way) -> Iterator[None]:
        """Look at mirror images too, in a way that may be another one already."""
        self._mirrors = True
        try:
            with way():
                yield
        finally:
            self._mirrors = False

    def make_metrics(self, split: Split) -> dict[str, Metric]:
        """Give the accuracies, and of the test how far confidences are from them."""
        accuracies: dict[str, Metric] = {
            "acc": MulticlassAccuracy(self._classes, average="micro"),
            "acc5": MulticlassAccuracy(self._classes, top_k=min(5, self._classes), average="micro"),
        }
        return accuracies | ({"ece": CalibrationError(self._classes)} if split == "test" else {})

    def forward(self, inputs: Tensor) -> Tensor:
        """Images (batch, channels, height, width) → logits (batch, classes)."""
        logits = self._logits(inputs)
        return (logits + self._logits(inputs.flip(3))) / 2 if self._mirrors else logits

    def _logits(self, inputs: Tensor) -> Tensor:
        return self.net(inputs.to(self.dtype).contiguous(memory_format=self._memory_format))

    def outcome(self, batch: Batch, split: Split) -> Outcome:
        """Compare logits with labels; of shares of classes the largest is what an accuracy is of."""
        images, labels = batch
        logits = self(images)
        loss = self._loss(logits, labels, self._smoothing if split == "train" else 0.0)
        target = labels if labels.dim() == 1 else labels.argmax(1)
        return Outcome(loss, len(labels), {"preds": logits.detach(), "target": target}, logits)
