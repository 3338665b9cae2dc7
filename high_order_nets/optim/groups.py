"""Which parameters an optimizer treats alike."""

from typing import Any

from torch import nn
from torch.optim import LBFGS, Optimizer

from ..training.callbacks.refine import Replaced
from .factory import _groups, _kind


def parameter_groups(net: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Split into weights, with decay, and all else, without; functions that connections share come as a third group.

    A weight is what multiplies inputs: by its name, as torch and this library give them, of at least two axes, and of
    no norm. Norms, biases, position tables, class tokens and scales are none. The decay of the functions is that of
    the weights.
    """
    return _groups(net, weight_decay, _kind)


def replace_parameters(optimizer: Optimizer, replaced: Replaced) -> None:
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
        optimizer._numel_cache = None
