"""Burgers' equation, solved by a network that is trained to have no residual."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor
from torchmetrics import MeanAbsoluteError, Metric

from ..data.points.burgers import BOUNDS
from .base import Outcome, Split
from .regression import Batch, Regression

Field = Callable[[Tensor], Tensor]
"""u (N,) at places (x, t), (N, 2), in units of the data."""
NEAR = 1e-6
"""How near a place on the edge of the domain is to it."""


def flux(left: Tensor, right: Tensor) -> Tensor:
    """max(left, 0)²/2 + min(right, 0)²/2: what passes between two values of u (Engquist & Osher, 1981)."""
    return (left.clamp(min=0).square() + right.clamp(max=0).square()) / 2


class Cell(NamedTuple):
    """Width and duration of a cell."""

    dx: float
    dt: float


def upwind(u: Field, places: Tensor, cell: Cell) -> Tensor:
    """Balance cells around places (N, 2), from values alone: (N,).

    (u(x, t) - u(x, t - dt))/dt + (F(u(x, t), u(x + dx, t)) - F(u(x - dx, t), u(x, t)))/dx, with `flux` F. A monotone
    scheme: what balances all cells goes to the entropy solution as they shrink (Crandall & Majda, 1980), its shock at
    the right place because it is conservative. Cells that would leave the domain are smaller.
    """
    x, t = places.unbind(1)
    dt = t.clamp(NEAR, cell.dt)
    dx = (BOUNDS[1][0] - x.abs()).clamp(NEAR, cell.dx)
    stencil = torch.stack([x, x, x + dx, x - dx]), torch.stack([t, t - dt, t, t])
    here, before, right, left = u(torch.stack(stencil, -1).flatten(0, 1)).view(4, len(places))
    return (here - before) / dt + (flux(here, right) - flux(left, here)) / dx


def pointwise(u: Field, places: Tensor, cell: Cell) -> Tensor:
    """u_t + u u_x at places (N, 2): (N,). Knows no jumps, and no entropy."""
    del cell
    places = places.detach().requires_grad_()
    found = u(places)
    (slopes,) = torch.autograd.grad(found.sum(), places, create_graph=True)
    return slopes[:, 1] + found * slopes[:, 0]


RESIDUALS: dict[str, Callable[[Field, Tensor, Cell], Tensor]] = {"upwind": upwind, "pointwise": pointwise}
"""By name."""


class L1Error(MeanAbsoluteError):
    """Mean |u - exact|, in units of the data."""

    def __init__(self, deviation: Tensor):
        super().__init__()
        self._deviation = deviation

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Add a batch, (batch, 1) both, scaled."""
        super().update(preds * self._deviation.to(preds), (target * self._deviation.to(target)).to(preds.dtype))


class Burgers(Regression, name="burgers"):
    """Solve u_t + (u²/2)_x = 0: squared residuals inside, squared errors where t = 0 and x = ±1.

    - residual: upwind or pointwise.
    - cells: of `upwind`, so many side by side; a list of 2^k is gone through during training in equal parts, for coarse
      cells, which have much viscosity, find where the shock is, and fine ones then make it steep.
    - edge_weight: factor on the squared errors.

    `l1_error`, by which it is judged, is the mean over the grid of the test; no value inside is trained on.
    """

    headline: ClassVar[str] = "l1_error"
    scores: ClassVar[tuple[str, ...]] = ("l1_error",)

    def __init__(
        self,
        origins: Sequence[float],
        units: Sequence[float],
        max_epochs: int,
        means: Sequence[float],
        *args: Any,
        residual: str = "upwind",
        cells: Sequence[int] = (64,),
        edge_weight: float = 100.0,
        **options: Any,
    ):
        self._origins, self._units, self._mean = torch.tensor(origins), torch.tensor(units), means[0]
        self._epochs, self._cells = max_epochs, cells
        self._residual, self._weight = RESIDUALS[residual], edge_weight
        super().__init__(*args, **options)

    def make_metrics(self, split: Split) -> dict[str, Metric]:
        """Give the mean error beside the others."""
        return {"l1_error": L1Error(self._deviations[0])} | super().make_metrics(split)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Let L-BFGS begin anew where cells have shrunk: the curvature that it remembers is of another sum."""
        epoch = self.current_epoch
        shrunk = epoch > 0 and self._part(epoch) != self._part(epoch - 1)
        if batch_idx == 0 and shrunk and self._residual is upwind:
            optimizer: Any = self.optimizers(use_pl_optimizer=False)
            if isinstance(optimizer, torch.optim.LBFGS):
                optimizer.state.clear()

    def outcome(self, batch: Batch, split: Split) -> Outcome:
        """Take residuals in training, and compare with the solution elsewhere."""
        if split != "train":
            return super().outcome(batch, split)
        scaled, y = (part.to(self.dtype) for part in batch)
        places = scaled * self._units.to(scaled) + self._origins.to(scaled)
        given = (places[:, 1] < NEAR) | (places[:, 0].abs() > BOUNDS[1][0] - NEAR)
        found = self(scaled)
        errors = (found - y)[given].square().sum()
        squares = self._residual(self._u, places[~given], self._cell()).square().sum()
        loss = (squares + self._weight * errors) / len(scaled)
        return Outcome(loss, len(scaled), {"preds": found.detach(), "target": y}, found)

    def _u(self, places: Tensor) -> Tensor:
        scaled = (places - self._origins.to(places)) / self._units.to(places)
        return self(scaled)[:, 0] * self._deviations.to(places) + self._mean

    def _part(self, epoch: int) -> int:
        return min(epoch * len(self._cells) // self._epochs, len(self._cells) - 1)

    def _cell(self) -> Cell:
        count = self._cells[self._part(self.current_epoch)]
        (left, start), (right, end) = BOUNDS
        return Cell((right - left) / count, (end - start) / count)
