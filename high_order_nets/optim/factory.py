"""Optimizers and learning-rate schedules from the config."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from ..errors import UserError
from ..settings import Config
from ..targets import resolve
from .groups import DEVIATIONS, FUNCTIONS, parameter_groups
from .rates import Rate, parted
from .schedules import make_schedule

FUSED = (torch.optim.Adam, torch.optim.AdamW)
"""Taken in torch's fused form: on a CPU a step of a table of 33,278 words takes 11 ms instead of 90."""
_OWN_KEYS = ("_target_", "default_learning_rate", "default_weight_decay", "create_graph")


def make_optimizers(
    config: Config, net: nn.Module, steps: int, rates: Mapping[str, Rate] = MappingProxyType({})
) -> dict[str, Any]:
    """Give Lightning the optimizer and, where there is one, the schedule of `steps` steps.

    `rates` are those of parameters, by their names, that have others than all.
    """
    try:
        optimizer = make_optimizer(config, net, rates)
        schedule = make_schedule(config, optimizer, steps)
    except (ValueError, TypeError) as error:
        names = f"optimizer={config['choices']['optimizer']} scheduler={config['choices']['scheduler']}"
        raise UserError(f"{names}: {error}") from error
    return {"optimizer": optimizer} | ({} if schedule is None else {"lr_scheduler": schedule})


def peak_rate(config: Config) -> float:
    """Give the peak learning rate of a run."""
    return _first(config["learning_rate"], config["optimizer"]["default_learning_rate"])


def make_optimizer(config: Config, net: nn.Module, rates: Mapping[str, Rate] = MappingProxyType({})) -> Optimizer:
    """Build the optimizer; functions that connections share have a rate and a decay of their own.

    Weight decay falls on weights alone, see `parameter_groups`.
    """
    node = config["optimizer"]
    target = resolve(node["_target_"], "optimizer", Optimizer)
    keywords = {key: value for key, value in node.items() if key not in _OWN_KEYS}
    keywords["lr"] = peak_rate(config)
    if target is torch.optim.LBFGS:  # It knows neither groups nor decay.
        return target(list(net.parameters()), **keywords)
    if target in FUSED and config["precision"].endswith("-true"):  # Lightning clips no fused ones under autocast
        keywords["fused"] = True
    decay = _first(config["weight_decay"], node["default_weight_decay"])
    groups = parameter_groups(net, decay, **_of_functions(config["functions"], keywords["lr"], decay))
    own = {net.get_parameter(name): rate for name, rate in rates.items()}
    return target(parted(groups, own, config["functions"]["lr"]), **keywords)


def _of_functions(node: Config, rate: float, decay: float) -> dict[str, dict[str, float]]:
    """Give the options of the groups of functions that connections share."""
    decays = {FUNCTIONS: _first(node["weight_decay"], decay), DEVIATIONS: node["deviation_decay"]}
    return {name: {"lr": node["lr"] * rate, "weight_decay": own} for name, own in decays.items()}


def _first(value: float | None, default: float) -> float:
    return default if value is None else value
