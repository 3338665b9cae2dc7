"""Language modelling: the next word of a text."""

import math
from typing import Any, ClassVar

from torch import Tensor
from torchmetrics import MeanMetric, Metric

from .base import Outcome, Split, Task

Batch = tuple[Tensor, Tensor]
"""Tokens and those that follow them, int64 (batch, time) each; what follows is under 0 where it is not counted."""


class Perplexity(MeanMetric):
    """exp(Σ nll / Σ tokens)."""

    def compute(self) -> Tensor:
        """Give it as a double, which holds it at the start of training too."""
        return super().compute().double().exp()


class BitsPerToken(MeanMetric):
    """Σ nll / Σ tokens / ln 2."""

    def compute(self) -> Tensor:
        """Give the bits."""
        return super().compute() / math.log(2)


class LanguageModelling(Task, name="language"):
    """Foretell the next token: -log p of it, the mean over tokens, its perplexity and its bits.

    The network gives the loss itself, `net(tokens, following)`, so that no logits of a whole vocabulary are kept.
    """

    headline: ClassVar[str] = "perplexity"
    item: ClassVar[str] = "token"

    def make_metrics(self, split: Split) -> dict[str, Metric]:
        """Give what else is said of the mean of -log p."""
        del split
        options: dict[str, Any] = {"nan_strategy": "disable"}
        return {"perplexity": Perplexity(**options), "bits_per_token": BitsPerToken(**options)}

    def outcome(self, batch: Batch, split: Split) -> Outcome:
        """Compare with the words that follow."""
        tokens, following = batch
        return Outcome(self.net(tokens, following), int((following >= 0).sum()), {})
