"""align: the functions of a network get inputs of deviation 1, as they do at the start of a layer's formulas."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ..basis.synapse import MEASURED
from ..errors import UserError
from ..layers import HighOrderLayer
from ..layers.alignment import measured
from .interval import by_channel


def measured_layers(net: nn.Module) -> dict[str, HighOrderLayer]:
    """Give the layers whose interval is measured, by their names."""
    layers = {name: layer for name, layer in net.named_modules() if isinstance(layer, HighOrderLayer)}
    return {name: layer for name, layer in layers.items() if layer.synapse.align in MEASURED}


def unaligned(net: nn.Module) -> dict[str, HighOrderLayer]:
    """Give those of them that are still to be measured."""
    return {name: layer for name, layer in measured_layers(net).items() if layer.interval is None}


@torch.no_grad()
def align(net: nn.Module, inputs: Tensor) -> nn.Module:
    """Measure the inputs of all layers with align=layer or channel that are not yet aligned, in place; give the net.

    In one pass of a batch in training mode, so that later layers see aligned earlier ones. Nothing but the layers'
    `interval` changes: no statistics of norms, no modes, no random state. A layer that the inputs do not reach stays
    unaligned; a constant input keeps f = 1. What was converted with weights="keep" begins as the same function of x as
    before, written anew for its interval. Raises UserError for inputs of a layer that are not finite, and for one that
    was to keep its weights and has been trained since.
    """
    layers = unaligned(net)
    if not layers:
        return net
    for name, layer in layers.items():
        if layer.start and not layer.start.written(layer):
            raise UserError(f"{name or type(layer).__name__}: was trained before it was aligned; align it first")
    copy = deepcopy(net).train()
    for name, layer in unaligned(copy).items():
        layer.register_forward_pre_hook(partial(_measure, name, layers[name]))
    with _same_random_state(inputs.device):
        copy(inputs)
    return net


def _measure(name: str, layer: HighOrderLayer, copied: Any, given: tuple[Tensor, ...]) -> None:
    """Align a layer and its copy, about to be called, unless it has been called in this pass."""
    if copied.interval is not None:
        return
    interval = measured(by_channel(copied, given[0]).T, layer.synapse.align)
    if not interval.isfinite().all():
        raise UserError(f"{name or type(layer).__name__}: gets inputs that are not finite")
    copied.interval = interval.to(layer.weight)
    layer.interval = copied.interval.clone()
    for each in (copied, layer) if layer.start else ():
        layer.start.write(each)
    layer.start = None


@contextmanager
def _same_random_state(device: torch.device) -> Iterator[None]:
    """Leave the random states of the CPU and of the device as they were."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        yield
