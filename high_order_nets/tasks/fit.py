"""fit: numbers to numbers in a program, without a run's folder."""

from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..conversion.align import align
from ..conversion.refine import Target, refine_
from ..data.points.scaling import Scaling
from ..errors import Diverged, UserError
from ..inference.regressor import Regressor

SCALE = 1e4
"""Factor on the mean square error: torch's L-BFGS forgets steps that change what is minimised by less than 1e-10."""
INTERVAL = 2.0
"""Length of the interval that the inputs' range is brought to: that of HighOrderMLP's first layer."""


def fit(
    net: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    steps: int | Sequence[int] = 200,
    refine: Sequence[Mapping[str, Any]] = (),
    history_size: int = 50,
    scaled: bool = True,
) -> Regressor:
    """Fit y (N, outputs) at x (N, inputs) by L-BFGS on all points; give what maps x to y in their own units.

    The network, trained in place, gets the inputs' range as [-1, 1] (unless not `scaled`), is aligned with it where
    its layers ask for it, and learns y with mean 0 and deviation 1. After `steps` steps, a number a stage or one for
    all, it is refined by the next of `refine`, keywords of `high_order_nets.refine` such as {"n": 10}, and goes on.
    Raises UserError for points that do not fit together, and Diverged where the error is not finite.
    """
    stages = [*repeat(steps, len(refine) + 1)] if isinstance(steps, int) else list(steps)
    _check(x, y, stages, refine)
    inputs = Scaling.to_interval(*torch.aminmax(x, dim=0), INTERVAL) if scaled else Scaling.none(x.shape[1])
    outputs = Scaling.to_standard(y)
    like = next(net.parameters())
    given, wanted = inputs(x).to(like), outputs(y).to(like)
    net.train()
    align(net, given)
    for place, count in enumerate(stages):
        if place:
            refine_(net, Target(**refine[place - 1]))
        _descend(net, given, wanted, count, history_size)
    return Regressor(net, _names("x", x), _names("y", y), (inputs, outputs), {}).eval()


def _descend(net: nn.Module, x: Tensor, y: Tensor, steps: int, history_size: int) -> None:
    optimizer = torch.optim.LBFGS(
        net.parameters(),
        max_iter=steps,
        max_eval=2 * steps,
        history_size=history_size,
        tolerance_grad=0.0,
        tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = SCALE * F.mse_loss(net(x), y)
        if not torch.isfinite(loss):
            raise Diverged(f"the error is {loss.item()}; domain=tanh may help, or fewer nodes at the start")
        loss.backward()
        return loss

    optimizer.step(closure)  # type: ignore[arg-type]


def _names(name: str, values: Tensor) -> tuple[str, ...]:
    return tuple(f"{name}{column}" for column in range(values.shape[1]))


def _check(x: Tensor, y: Tensor, stages: Sequence[int], refine: Sequence[Mapping[str, Any]]) -> None:
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y) or not len(x):
        raise UserError(f"x {tuple(x.shape)} and y {tuple(y.shape)}: expected (N, inputs) and (N, outputs)")
    if not (x.isfinite().all() and y.isfinite().all()):
        raise UserError("x and y: expected finite numbers")
    if len(stages) != len(refine) + 1:
        raise UserError(f"steps={list(stages)}: expected one for each stage, and refine has {len(refine) + 1} of them")
