"""Optimizers and learning-rate schedules from the config."""

import math
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim import lr_scheduler as schedules

from ..errors import UserError
from .targets import resolve

Config = dict[str, Any]
_OWN_KEYS = ("_target_", "default_learning_rate", "default_weight_decay", "create_graph")


def make_optimizers(config: Config, net: nn.Module, steps: int) -> dict[str, Any]:
    """Give Lightning the optimizer and, where there is one, the schedule of `steps` steps."""
    try:
        optimizer = make_optimizer(config, net)
        schedule = make_schedule(config, optimizer, steps)
    except (ValueError, TypeError) as error:
        names = f"optimizer={config['choices']['optimizer']} scheduler={config['choices']['scheduler']}"
        raise UserError(f"{names}: {error}") from error
    return {"optimizer": optimizer} | ({} if schedule is None else {"lr_scheduler": schedule})


def make_optimizer(config: Config, net: nn.Module) -> Optimizer:
    """Build the optimizer: weight decay falls on weights only, not on norms and biases."""
    node = config["optimizer"]
    target = resolve(node["_target_"], "optimizer")
    keywords = {key: value for key, value in node.items() if key not in _OWN_KEYS}
    keywords["lr"] = _first(config["learning_rate"], node["default_learning_rate"])
    if target is torch.optim.LBFGS:  # It knows neither groups nor decay.
        return target(list(net.parameters()), **keywords)
    decay = _first(config["weight_decay"], node["default_weight_decay"])
    return target(parameter_groups(net, decay), **keywords)


def parameter_groups(net: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Split into weights, with decay, and norms and biases (at most one axis), without."""
    parameters = list(net.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def make_schedule(config: Config, optimizer: Optimizer, steps: int) -> dict[str, Any] | None:
    """Build Lightning's entry for the schedule; None for a constant rate without warm-up."""
    node = config["scheduler"]
    warmup = round(steps * min(1.0, config["warmup_epochs"] / config["max_epochs"]))
    if node["name"] == "plateau":
        return _plateau(node, optimizer, "val_loss" if config["val_fraction"] > 0 else "train_loss_epoch")
    if node["name"] == "none" and not warmup:
        return None

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return relative_rate(node, (step - warmup) / max(1, steps - warmup))

    return {"scheduler": schedules.LambdaLR(optimizer, factor), "interval": "step"}


def relative_rate(node: Config, done: float) -> float:
    """Give the learning rate as a part of its peak, `done` being the part of the steps that is done.

    One function of the step for every schedule: torch's own cannot be joined for a few steps (OneCycleLR
    divides by zero) and need as much state.
    """
    done = min(done, 1.0)
    if node["name"] == "cosine":
        return _fall(done)
    if node["name"] == "one_cycle":  # Smith & Topin, arXiv:1708.07120, with torch's start at 1/25 of the peak
        rise = node["pct_start"]
        if done < rise:
            return 1 - (1 - 1 / 25) * _fall(done / rise)
        return _fall((done - rise) / (1 - rise))
    if node["name"] == "multistep":
        return node["gamma"] ** sum(done >= milestone for milestone in node["milestones"])
    return 1.0


def _fall(part: float) -> float:
    """Half a cosine from 1 to 0."""
    return (1 + math.cos(math.pi * part)) / 2


def _plateau(node: Config, optimizer: Optimizer, monitor: str) -> dict[str, Any]:
    schedule = schedules.ReduceLROnPlateau(optimizer, factor=node["factor"], patience=node["patience"])
    return {"scheduler": schedule, "interval": "epoch", "monitor": monitor}


def _first(value: float | None, default: float) -> float:
    return default if value is None else value
