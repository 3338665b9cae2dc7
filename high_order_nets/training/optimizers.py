"""Optimizers and learning-rate schedules from the config."""

from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim import lr_scheduler as schedules

from .targets import resolve

Config = dict[str, Any]
_OWN_KEYS = ("_target_", "default_learning_rate", "default_weight_decay", "create_graph")


def make_optimizers(config: Config, net: nn.Module, steps: int) -> dict[str, Any]:
    """Give Lightning the optimizer and, where there is one, the schedule of `steps` steps."""
    optimizer = make_optimizer(config, net)
    schedule = make_schedule(config, optimizer, steps)
    return {"optimizer": optimizer} | ({} if schedule is None else {"lr_scheduler": schedule})


def make_optimizer(config: Config, net: nn.Module) -> Optimizer:
    """Build the optimizer: weight decay falls on weights only, not on norms and biases."""
    node = config["optimizer"]
    target = resolve(node["_target_"], "optimizer")
    keywords = {key: value for key, value in node.items() if key not in _OWN_KEYS}
    keywords["lr"] = _first(config["learning_rate"], node["default_learning_rate"])
    if target is torch.optim.LBFGS:  # It knows neither groups nor decay.
        return target([p for p in net.parameters() if p.requires_grad], **keywords)
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
    node, epochs = config["scheduler"], config["max_epochs"]
    warmup = round(steps * min(1.0, config["warmup_epochs"] / epochs))
    if node["name"] == "plateau":
        return _plateau(node, optimizer, "val_loss" if config["val_fraction"] > 0 else "train_loss_epoch")
    main = _main_schedule(node, optimizer, max(1, steps - warmup))
    if warmup:
        ramp = schedules.LinearLR(optimizer, start_factor=1 / warmup, total_iters=warmup)
        main = ramp if main is None else schedules.SequentialLR(optimizer, [ramp, main], milestones=[warmup])
    return None if main is None else {"scheduler": main, "interval": "step"}


def _main_schedule(node: Config, optimizer: Optimizer, steps: int) -> schedules.LRScheduler | None:
    if node["name"] == "cosine":
        return schedules.CosineAnnealingLR(optimizer, T_max=steps)
    if node["name"] == "one_cycle":
        rate = optimizer.param_groups[0]["lr"]
        # One step more: Lightning also steps the schedule after the last batch.
        return schedules.OneCycleLR(optimizer, rate, steps + 1, pct_start=node["pct_start"], cycle_momentum=False)
    if node["name"] == "multistep":
        milestones = [round(part * steps) for part in node["milestones"]]
        return schedules.MultiStepLR(optimizer, milestones, gamma=node["gamma"])
    return None


def _plateau(node: Config, optimizer: Optimizer, monitor: str) -> dict[str, Any]:
    schedule = schedules.ReduceLROnPlateau(optimizer, factor=node["factor"], patience=node["patience"])
    return {"scheduler": schedule, "interval": "epoch", "monitor": monitor}


def _first(value: float | None, default: float) -> float:
    return default if value is None else value
