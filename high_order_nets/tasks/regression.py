"""Regression: numbers from numbers."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics import Metric

from ..settings import Config
from .base import MakeOptimizers, Outcome, Split, Task
from .losses import make_loss

Batch = tuple[Tensor, Tensor]
"""Inputs (batch, inputs) and outputs (batch, outputs), both scaled."""

LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": F.mse_loss,
    "l1": F.l1_loss,
    "huber": F.huber_loss,
}
"""By name: mean over batch and outputs of d², |d|, or of d²/2 up to 1 and |d| - 1/2 beyond, of the scaled outputs."""


class _Errors(Metric):
    """What is summed up of the errors of some outputs: `deviations` (outputs,) bring them to the units of the data."""

    full_state_update = False
    squares: Tensor
    largest: Tensor
    moments: Tensor
    count: Tensor

    def __init__(self, chosen: slice, deviations: Tensor):
        super().__init__()
        self._chosen, self._deviations = chosen, deviations[chosen]
        zeros = torch.zeros_like(self._deviations)
        self.add_state("squares", zeros.clone(), "sum")
        self.add_state("largest", zeros.clone(), "max")
        self.add_state("moments", torch.stack([zeros, zeros]), "sum")
        self.add_state("count", zeros[:1].clone(), "sum")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Add a batch, (batch, outputs) both."""
        preds, target = (part[:, self._chosen].to(self.squares.dtype) for part in (preds, target))
        errors = preds - target
        self.squares += errors.square().sum(0)
        self.largest = torch.maximum(self.largest, errors.abs().amax(0))
        self.moments += torch.stack([target.sum(0), target.square().sum(0)])
        self.count += len(target)

    def _in_units(self, values: Tensor) -> Tensor:
        return values * self._deviations.to(values)


class RootMeanSquare(_Errors):
    """√(mean of squared errors), over all outputs."""

    def compute(self) -> Tensor:
        """Give it, in the units of the data."""
        return self._in_units((self.squares / self.count).sqrt()).square().mean().sqrt()


class MaxError(_Errors):
    """The largest error."""

    def compute(self) -> Tensor:
        """Give it, in the units of the data."""
        return self._in_units(self.largest).max()


class Determination(_Errors):
    """R² = 1 - Σ(y - ŷ)² / Σ(y - mean y)², mean over the outputs; of an output that never changes NaN."""

    def compute(self) -> Tensor:
        """Give it."""
        mean, square = self.moments / self.count
        variance = square - mean.square()
        rest = (self.squares / self.count) / torch.where(variance > 1e-6 * square, variance, torch.nan)
        return (1 - rest).mean()


class Regression(Task, name="regression"):
    """Fit numbers: root mean square error, largest error and R², of several outputs also by the name of each.

    The network learns outputs that the data have scaled; the figures are in the units of the data, the loss is not.
    `loss_scale` is a factor on what is minimised: torch's L-BFGS forgets steps that change the loss by less than 1e-10.
    """

    headline: ClassVar[str] = "rmse"
    scores: ClassVar[tuple[str, ...]] = ("rmse", "max_error")
    item: ClassVar[str] = "point"

    def __init__(
        self,
        net: nn.Module,
        output_names: Sequence[str],
        deviations: Sequence[float],
        make_optimizers: MakeOptimizers,
        *,
        loss: str | Config = "mse",
        loss_scale: float = 1.0,
        precision: str = "32-true",
        **options: Any,
    ):
        self._names, self._scale = output_names, loss_scale
        wide = torch.float64 if precision == "64-true" else torch.float32
        self._deviations = torch.tensor(deviations, dtype=wide)
        super().__init__(net, make_optimizers, **options)
        self._loss = make_loss("task.loss", loss, LOSSES)

    def make_metrics(self, split: Split) -> dict[str, Metric]:
        """Give the errors of all outputs and, where there are several, of each."""
        kinds = {"rmse": RootMeanSquare, "r2": Determination, "max_error": MaxError}
        found = {name: kind(slice(None), self._deviations) for name, kind in kinds.items()}
        if len(self._names) > 1:
            for place, output in enumerate(self._names):
                one = slice(place, place + 1)
                found |= {f"{name}_{output}": kinds[name](one, self._deviations) for name in ("rmse", "r2")}
        return found  # type: ignore[return-value]

    def minimised(self, outcome: Outcome, batch: Batch) -> Tensor:
        """Give what is minimised: the loss times loss_scale."""
        return self._scale * super().minimised(outcome, batch)

    def outcome(self, batch: Batch, split: Split) -> Outcome:
        """Compare outputs."""
        x, y = batch
        found = self(x.to(self.dtype))
        return Outcome(self._loss(found, y.to(found.dtype)), len(x), {"preds": found.detach(), "target": y}, found)
