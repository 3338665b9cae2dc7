"""Learning rates over the steps of a run."""

import math
from collections.abc import Callable
from typing import Any

from torch.optim import Optimizer
from torch.optim import lr_scheduler as schedules

from ..settings import Config, validates
from .groups import is_of_functions


def make_schedule(config: Config, optimizer: Optimizer, steps: int) -> dict[str, Any] | None:
    """Build Lightning's entry for the schedule; None for a constant rate without warm-up."""
    node = config["scheduler"]
    warmup = round(steps * min(1.0, config["warmup_epochs"] / config["max_epochs"]))
    if node["name"] == "plateau":
        return _plateau(node, optimizer, "val_loss" if validates(config) else "train_loss_epoch")
    functions = config["functions"]
    if node["name"] == "none" and not warmup and (functions["frozen"], functions["until"]) == (0, 1):
        return None

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return relative_rate(node, (step - warmup) / max(1, steps - warmup))

    def of_functions(step: int) -> float:
        return factor(step) * freedom(functions, step / max(1, steps))

    factors = [of_functions if is_of_functions(group) else factor for group in optimizer.param_groups]
    return {"scheduler": schedules.LambdaLR(optimizer, factors), "interval": "step"}


def set_rates(schedule: Any) -> None:
    """Give an optimizer, in place, the rates of the step that comes next, as its schedule over all steps has them.

    A checkpoint brings those of the schedule that it was saved under, which may have been of fewer steps.
    """
    if not isinstance(schedule, schedules.LambdaLR):
        return
    for group, base, factor in zip(
        schedule.optimizer.param_groups, schedule.base_lrs, schedule.lr_lambdas, strict=True
    ):
        group["lr"] = base * factor(schedule.last_epoch)


def relative_rate(node: Config, done: float) -> float:
    """Give the learning rate as a part of its peak, `done` being the part of the steps that is done.

    One function of the step for every schedule: torch's own cannot be joined for a few steps (OneCycleLR
    divides by zero) and need as much state.
    """
    return SCHEDULES[node["name"]](node, min(done, 1.0))


def freedom(functions: Config, done: float) -> float:
    """Give the part of their rate that functions which connections share have, `done` being as above.

    0 until `frozen`, then 1; where they are frozen again from `until` < 1 on, down to 0 there in a straight line.
    """
    frozen, until = functions["frozen"], functions["until"]
    if done < frozen:
        return 0.0
    return max(0.0, (until - done) / (until - frozen)) if until < 1 else 1.0


def _one_cycle(node: Config, done: float) -> float:
    """Smith & Topin, arXiv:1708.07120, with torch's start at 1/25 of the peak."""
    rise = node["pct_start"]
    return 1 - (1 - 1 / 25) * _fall(done / rise) if done < rise else _fall((done - rise) / (1 - rise))


def _multistep(node: Config, done: float) -> float:
    return node["gamma"] ** sum(done >= milestone for milestone in node["milestones"])


def _fall(part: float) -> float:
    """Half a cosine from 1 to 0."""
    return (1 + math.cos(math.pi * part)) / 2


def _plateau(node: Config, optimizer: Optimizer, monitor: str) -> dict[str, Any]:
    schedule = schedules.ReduceLROnPlateau(optimizer, factor=node["factor"], patience=node["patience"])
    return {"scheduler": schedule, "interval": "epoch", "monitor": monitor}


SCHEDULES: dict[str, Callable[[Config, float], float]] = {
    "none": lambda _node, _done: 1.0,
    "cosine": lambda _node, done: _fall(done),
    "one_cycle": _one_cycle,
    "multistep": _multistep,
}
"""The part of the peak by name, but for plateau, which goes by what is measured."""
