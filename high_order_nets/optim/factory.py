"""Optimizers and learning-rate schedules from the config."""

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.utils.parametrize import ParametrizationList
from torch.optim import Optimizer

from ..errors import UserError
from ..layers import HighOrderLayer
from ..targets import resolve
from .groups import parameter_groups
from .schedules import make_schedule

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
    target = resolve(node["_target_"], "optimizer", Optimizer)
    keywords = {key: value for key, value in node.items() if key not in _OWN_KEYS}
    keywords["lr"] = _first(config["learning_rate"], node["default_learning_rate"])
    if target is torch.optim.LBFGS:  # It knows neither groups nor decay.
        return target(list(net.parameters()), **keywords)
    decay = _first(config["weight_decay"], node["default_weight_decay"])
    return target(parameter_groups(net, decay), **keywords)


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


def _first(value: float | None, default: float) -> float:
    return default if value is None else value
