"""Optimizers and learning-rate schedules from the config."""

import logging
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.utils.parametrize import ParametrizationList
from torch.optim import Optimizer
from torch.optim import lr_scheduler as schedules

from ..errors import UserError
from ..layers import HighOrderLayer
from ..targets import resolve

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

    A weight is what multiplies inputs: by its name, as torch and this library give them, of at least two axes, and of
    no norm. Norms, biases, position tables, class tokens and scales are none. The decay of the functions is that of
    the weights.
    """
    return _groups(net, weight_decay, _kind)


Kind = Callable[[str, nn.Module, str, nn.Parameter], str]
NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
LISTS = (nn.ParameterList, nn.ParameterDict, ParametrizationList)


def _groups(net: nn.Module, weight_decay: float, kind: Kind) -> list[dict[str, Any]]:
    found: dict[str, list[nn.Parameter]] = {"weights": [], "others": [], "functions": []}
    seen: set[nn.Parameter] = set()
    for name, module in net.named_modules():
        for own, parameter in module.named_parameters(recurse=False):
            if parameter not in seen:
                found[kind(name, module, own, parameter)].append(parameter)
            seen.add(parameter)
    decays = {"weights": weight_decay, "others": 0.0, "functions": weight_decay}
    return [{"params": params, "weight_decay": decays[sort]} for sort, params in found.items() if params]


def _kind(name: str, module: nn.Module, own: str, parameter: nn.Parameter) -> str:
    if isinstance(module, HighOrderLayer) and own == "shape":
        return "functions"
    if isinstance(module, LISTS):  # whose own names are numbers and the like
        own = name.rpartition(".")[2]
    return "weights" if parameter.ndim > 1 and "weight" in own and not isinstance(module, NORMS) else "others"


def _kind_before(name: str, module: nn.Module, own: str, parameter: nn.Parameter) -> str:
    """Give what a parameter was taken for until 2026-11: by its number of axes alone."""
    del name, module, own
    return "weights" if parameter.ndim > 1 else "others"


def regroup(checkpoint: dict[str, Any], net: nn.Module) -> None:
    """Bring a checkpoint of an older version, in place, to the groups of today: by the same parameters."""
    (state,) = checkpoint["optimizer_states"]
    old = state["param_groups"]
    decay = max(group.get("weight_decay", 0.0) for group in old)
    before, now = (_groups(net, decay, kind) for kind in (_kind_before, _kind))
    sizes, wanted, saved = ([len(group["params"]) for group in groups] for groups in (before, now, old))
    if sizes == wanted or saved != sizes or "weight_decay" not in old[0]:
        return
    log.info("the checkpoint's %d groups of parameters become today's %d: see weight_decay", len(before), len(now))
    places = {parameter: place for place, parameter in enumerate(p for group in before for p in group["params"])}
    order = [places[parameter] for group in now for parameter in group["params"]]
    new_state = {new: state["state"][place] for new, place in enumerate(order) if place in state["state"]}
    groups, count = [], 0
    for group in now:  # which only their decay tells apart
        indices = list(range(count, count := count + len(group["params"])))
        groups.append(old[0] | {"params": indices, "weight_decay": group["weight_decay"]})
    checkpoint["optimizer_states"] = [state | {"state": new_state, "param_groups": groups}]
    for schedule in checkpoint["lr_schedulers"]:
        for key in ("base_lrs", "_last_lr", "lr_lambdas", "min_lrs"):
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
