"""Optimizers and learning-rate schedules from the config."""

import logging
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim import lr_scheduler as schedules

from ..errors import UserError
from .targets import resolve

log = logging.getLogger(__name__)
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
    """Build the optimizer; weight decay falls on weights alone, see `parameter_groups`."""
    node = config["optimizer"]
    target = resolve(node["_target_"], "optimizer")
    keywords = {key: value for key, value in node.items() if key not in _OWN_KEYS}
    keywords["lr"] = _first(config["learning_rate"], node["default_learning_rate"])
    if target is torch.optim.LBFGS:  # It knows neither groups nor decay.
        return target(list(net.parameters()), **keywords)
    decay = _first(config["weight_decay"], node["default_weight_decay"])
    return target(parameter_groups(net, decay), **keywords)


def parameter_groups(net: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Split into weights, with decay, and all else, without; functions that connections share come as a third group.

    A weight is what multiplies inputs: by its name, as torch and this library give them, and of at least two axes.
    Norms, biases, position tables, class tokens and scales are none. The decay of the functions is that of the weights.
    """
    return _groups(net, weight_decay, _kind)


def _groups(net: nn.Module, weight_decay: float, kind: Callable[[str, nn.Parameter], str]) -> list[dict[str, Any]]:
    sorts: dict[str, list[nn.Parameter]] = {"weights": [], "others": [], "functions": []}
    for name, parameter in net.named_parameters():
        sorts[kind(name, parameter)].append(parameter)
    decays = {"weights": weight_decay, "others": 0.0, "functions": weight_decay}
    return [{"params": found, "weight_decay": decays[sort]} for sort, found in sorts.items() if found]


def _kind(name: str, parameter: nn.Parameter) -> str:
    *_, owner, own = ["", *name.split(".")]
    if own == "shape":
        return "functions"
    parametrised = owner == "weight"  # parametrizations.weight.original
    return "weights" if parameter.ndim > 1 and ("weight" in own or parametrised) else "others"


def _kind_before(name: str, parameter: nn.Parameter) -> str:
    """Give what a parameter was taken for until 2026-11: by its number of axes alone."""
    del name
    return "weights" if parameter.ndim > 1 else "others"


def regroup(checkpoint: dict[str, Any], net: nn.Module) -> None:
    """Bring a checkpoint of an older version, in place, to the groups of today: by the same parameters."""
    before, now = ([group["params"] for group in _groups(net, 0.0, kind)] for kind in (_kind_before, _kind))
    saved = [[len(group["params"]) for group in state["param_groups"]] for state in checkpoint["optimizer_states"]]
    sizes, wanted = ([len(group) for group in groups] for groups in (before, now))
    if sizes == wanted or saved != [sizes]:
        return
    log.info("the checkpoint's %d groups of parameters become today's %d: see weight_decay", len(before), len(now))
    place = {id(p): index for index, p in enumerate(p for group in before for p in group)}
    owner = {id(p): index for index, group in enumerate(before) for p in group}
    (state,) = checkpoint["optimizer_states"]
    old, groups = state["param_groups"], []
    new_state, count = {}, 0
    for group in now:
        groups.append(old[owner[id(group[0])]] | {"params": list(range(count, count + len(group)))})
        for parameter in group:
            if place[id(parameter)] in state["state"]:
                new_state[count] = state["state"][place[id(parameter)]]
            count += 1
    checkpoint["optimizer_states"] = [state | {"state": new_state, "param_groups": groups}]
    for schedule in checkpoint["lr_schedulers"]:
        for key in ("base_lrs", "_last_lr", "lr_lambdas"):
            if isinstance(schedule.get(key), list):
                schedule[key] = schedule[key][:1] * len(now)


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
