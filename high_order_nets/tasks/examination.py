"""What a test tells beside its figures: of each class, and of each image or token where that is asked for."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.classification import MulticlassCalibrationError

BINS = 15
"""Of the expected calibration error: those of Guo et al., 1706.04599."""
BELOW_ONE = 1 - 2**-24
"""The largest float32 below 1."""


class CalibrationError(MulticlassCalibrationError):
    """ECE = Σ_b n_b/n |accuracy_b − confidence_b| of logits (N, classes), confidences in BINS bins of equal width.

    A confidence of exactly 1 belongs to the last bin; torchmetrics has one more for it.
    """

    def __init__(self, num_classes: int):
        super().__init__(num_classes, n_bins=BINS)

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Add logits (N, classes) and labels (N,)."""
        super().update(preds.float().softmax(1).clamp(max=BELOW_ONE), target)


class Rows(Metric):
    """Keep numbers of each row of a test, of all processes, and give them in the order of the items they are of."""

    items: list[Tensor] | Tensor
    numbers: list[Tensor] | Tensor
    values: list[Tensor] | Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("items", "numbers", "values"):
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(self, items: Tensor, numbers: Tensor, values: Tensor) -> None:
        """Add rows: whose they are, int64 (N,), whole numbers, int64 (N, k), and a value each, (N,)."""
        for state, rows in ((self.items, items), (self.numbers, numbers), (self.values, values.float())):
            state.append(rows)  # type: ignore[union-attr]

    def compute(self) -> tuple[Tensor, Tensor]:
        """Give the numbers (N, k) and the values (N,)."""
        items, numbers, values = (_joined(state) for state in (self.items, self.numbers, self.values))
        order = items.argsort(stable=True)  # those of one item come from one process, in order
        return numbers[order].cpu(), values[order].cpu()


def _joined(state: list[Tensor] | Tensor) -> Tensor:
    """Join the rows; those that processes have shared are joined already."""
    return state if isinstance(state, Tensor) else torch.cat(state)


def predicted(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Give the class of each row of logits (N, classes), and its probability."""
    classes = logits.argmax(1)
    return classes, logits.float().softmax(1).gather(1, classes[:, None]).squeeze(1)


def token_losses(net: nn.Module, tokens: Tensor, following: Tensor) -> Tensor:
    """Give -log p of each token that follows and counts, in order: (N,); no more logits than those of a row at once."""
    rows = zip(tokens.split(1), following.split(1), strict=True)
    return torch.cat([_row_losses(net(row), next_[0]) for row, next_ in rows])


def _row_losses(logits: Tensor, following: Tensor) -> Tensor:
    counted = following >= 0
    return F.cross_entropy(logits[0, counted].float(), following[counted], reduction="none")


def per_class(confusion: Tensor) -> list[dict[str, Any]]:
    """Give of each class, from counts (true, predicted), its items, the right ones, and their share: None of none."""
    counts, right = confusion.sum(1).tolist(), confusion.diagonal().tolist()
    return [
        {"count": count, "correct": hits, "accuracy": hits / count if count else None}
        for count, hits in zip(counts, right, strict=True)
    ]
