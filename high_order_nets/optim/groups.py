"""Which parameters an optimizer treats alike."""

import logging
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.utils.parametrize import ParametrizationList
from torch.optim import LBFGS, Optimizer

from ..layers import HighOrderLayer

log = logging.getLogger(__name__)
Kind = Callable[[str, nn.Module, str, nn.Parameter], str]
NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
FUNCTIONS, DEVIATIONS = "functions", "deviations"
"""The names of the groups of functions that connections share, and of their deviations from one a layer."""
LISTS = (nn.ParameterList, nn.ParameterDict, ParametrizationList)


def parameter_groups(net: nn.Module, weight_decay: float, **options: Mapping[str, float]) -> list[dict[str, Any]]:
    """Split into weights, with decay, and all else, without; shared functions and their deviations are groups too.

    A weight is what multiplies inputs: by its name, as torch and this library give them, of at least two axes, and of
    no norm. Norms, biases, position tables, class tokens and scales are none. Functions that connections share, and
    what those of channels deviate from one a layer, have the decay of the weights, unless the options of their group
    (`functions`, `deviations`) say another.
    """
    return _groups(net, weight_decay, _kind, options)


def is_of_functions(group: Mapping[str, Any]) -> bool:
    """Say whether a group, or a part of one by its rate, holds functions that connections share."""
    return str(group.get("name")).partition("/")[0] in (FUNCTIONS, DEVIATIONS)


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


def replace_parameters(optimizer: Optimizer, replaced: Mapping[nn.Parameter, nn.Parameter]) -> None:
    """Let the optimizer go on with new parameters in the places of old ones, whose state is dropped.

    Where one state is for all parameters, all of it is dropped.
    """
    for group in optimizer.param_groups:
        # In place: some optimizers hold the list itself.
        group["params"][:] = [replaced.get(parameter, parameter) for parameter in group["params"]]
    for parameter in replaced:
        optimizer.state.pop(parameter, None)
    if replaced and (isinstance(optimizer, LBFGS) or any("step" in group for group in optimizer.param_groups)):
        _start_anew(optimizer)


def _start_anew(optimizer: Optimizer) -> None:
    """Drop all of the state: one history (LBFGS) or count of steps (AdaHessian, Sophia) holds for all parameters."""
    optimizer.state.clear()
    for group in optimizer.param_groups:
        if "step" in group:
            group["step"] = 0
    if isinstance(optimizer, LBFGS):
        optimizer._numel_cache = None  # the count of all parameters, which it has no other way to take again


def _groups(
    net: nn.Module, weight_decay: float, kind: Kind, options: Mapping[str, Mapping[str, float]] = MappingProxyType({})
) -> list[dict[str, Any]]:
    found: dict[str, list[nn.Parameter]] = {"weights": [], "others": [], FUNCTIONS: [], DEVIATIONS: []}
    seen: set[nn.Parameter] = set()
    for name, module in net.named_modules():
        for own, parameter in module.named_parameters(recurse=False):
            if parameter not in seen:
                found[kind(name, module, own, parameter)].append(parameter)
            seen.add(parameter)
    return [
        {"params": params, "name": name, "weight_decay": 0.0 if name == "others" else weight_decay}
        | dict(options.get(name, {}))
        for name, params in found.items()
        if params
    ]


def _kind(name: str, module: nn.Module, own: str, parameter: nn.Parameter) -> str:
    if isinstance(module, HighOrderLayer) and own in ("shape", "master"):
        return FUNCTIONS if own == "master" or module.master is None else DEVIATIONS
    if isinstance(module, LISTS):  # whose own names are numbers and the like
        own = name.rpartition(".")[2]
    return "weights" if parameter.ndim > 1 and "weight" in own and not isinstance(module, NORMS) else "others"


def _kind_before(name: str, module: nn.Module, own: str, parameter: nn.Parameter) -> str:
    """Give what a parameter was taken for until 2026-11: by its number of axes alone."""
    del name, module, own
    return "weights" if parameter.ndim > 1 else "others"
