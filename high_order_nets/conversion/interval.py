"""update_interval: the functions of a network live where its data are."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..basis.synapse import SHARING
from ..errors import UserError
from ..layers import HighOrderLayer, HighOrderLinear, Synapse
from ..layers.base import store
from ..layers.change import TOLERANCE
from .report import Errors

POINTS = 24
"""Points to compare functions at, for every weight of a function."""


@dataclass(frozen=True)
class Moved:
    """Say where the functions of a layer live now, and the largest error of one there.

    `low` and `high` are the ends of the interval, one for every input channel. `relative` is to the largest value of a
    function on it. Below 1e-9 the functions are the same but for rounding.
    """

    name: str
    low: tuple[float, ...]
    high: tuple[float, ...]
    error: float
    relative: float

    def __str__(self) -> str:
        each = dict.fromkeys(f"[{low:.4g}, {high:.4g}]" for low, high in zip(self.low, self.high, strict=True))
        kept = "exact" if self.relative < TOLERANCE else f"error {self.error:.3g} ({self.relative:.2%})"
        return f"{self.name or 'layer'}: {', '.join(each)}: {kept}"


class Intervals(Errors[Moved]):
    """Hold what was done to all layers."""


class _Places(NamedTuple):
    """Old and new place of an input in the interval: old = slope · new + constant, (channels,) each or (1,)."""

    slope: Tensor
    constant: Tensor


@torch.no_grad()
def update_interval(
    module: nn.Module, inputs: Tensor, *, per: str = "layer", margin: float = 0.05
) -> tuple[nn.Module, Intervals]:
    """Give a copy whose functions live where these inputs lead, and a report of the errors that this made.

    Each layer's interval becomes the range of what it gets from the inputs of the network, widened on both sides by
    `margin` times its width: one for the layer, or with per="input" one for every input channel. The functions go
    with it: polynomials under domain extrapolate, and under linear and clamp where the old interval holds the new one,
    stay the same exactly; knots, periods and tanh move, and the function next to the old one by least squares on the
    new interval is taken. Raises UserError for a layer that this cannot be done to.
    """
    if per not in ("layer", "input"):
        raise UserError(f"per={per!r}: expected layer or input")
    copy = deepcopy(module)
    with _watched(copy) as ranges:
        copy(inputs)
    if not ranges:
        raise UserError(f"update_interval: {type(module).__name__} has no high-order layer that these inputs reach")
    return copy, Intervals(tuple(_move(name, *found, per, margin) for name, found in ranges.items()))


def by_channel(layer: Any, x: Tensor) -> Tensor:
    """Bring a layer's input to (channels, values)."""
    axis = -1 if isinstance(layer, HighOrderLinear) else -len(layer.kernel_size) - 1
    return x.movedim(axis, 0).flatten(1)


@contextmanager
def _watched(net: nn.Module) -> Iterator[dict[str, tuple[HighOrderLayer, Tensor, Tensor]]]:
    """Note each high-order layer with the least and the largest value of its input channels, in evaluation mode."""
    ranges: dict[str, tuple[HighOrderLayer, Tensor, Tensor]] = {}

    def note(name: str, layer: Any, given: tuple[Tensor, ...]) -> None:
        low, high = by_channel(layer, given[0]).double().aminmax(dim=1)
        if name in ranges:
            low, high = torch.minimum(low, ranges[name][1]), torch.maximum(high, ranges[name][2])
        ranges[name] = layer, low, high

    layers = {name: layer for name, layer in net.named_modules() if isinstance(layer, HighOrderLayer)}
    handles = [layer.register_forward_pre_hook(partial(note, name)) for name, layer in layers.items()]
    modes = {each: each.training for each in net.modules()}
    net.eval()
    try:
        yield ranges
    finally:
        for handle in handles:
            handle.remove()
        for each, mode in modes.items():
            each.training = mode


def _move(name: str, layer: HighOrderLayer, low: Tensor, high: Tensor, per: str, margin: float) -> Moved:
    _check(name, layer, per)
    if not (low.isfinite().all() and high.isfinite().all()):
        raise UserError(f"{name}: gets inputs that are not finite")
    if per == "layer":
        low, high = low.min().expand_as(low), high.max().expand_as(high)
    length = layer.synapse.basis.length
    before = _affine(layer, low)
    width = torch.where(high > low, (high - low) * (1 + 2 * margin), length / before[1])  # of a constant as it was
    after = torch.stack([(low + high) / 2, length / width])
    slope = before[1] / after[1]
    constant = (after[0] - before[0]) * before[1]
    chosen = slice(0, 1) if per == "layer" else slice(None)
    error, largest = _carry(layer, _Places(slope[chosen], constant[chosen]))
    layer.interval = after.to(layer.weight)
    low, high = after[0] - width / 2, after[0] + width / 2
    return Moved(name, tuple(low.tolist()), tuple(high.tolist()), error, error / largest if largest else 0.0)


def _affine(layer: HighOrderLayer, like: Tensor) -> Tensor:
    if layer.interval is None:
        return torch.stack([torch.zeros_like(like), torch.ones_like(like)])
    return layer.interval.to(like)


def _check(name: str, layer: HighOrderLayer, per: str) -> None:
    synapse = layer.synapse
    if synapse.base is not None:
        raise UserError(f"{name}: base={synapse.base}: its activation gets the inputs as they are, which would change")
    if synapse.ends:
        raise UserError(f"{name}: domain={synapse.domain}: its slopes beyond the ends belong to the interval it has")
    if synapse.align == "batch":
        raise UserError(f"{name}: align=batch: its inputs are standardised anew in every batch")
    if per == "layer" and layer.interval is not None and (layer.interval != layer.interval[:, :1]).any():
        raise UserError(f"{name}: its inputs have intervals of their own; take per=input")
    shared = synapse.sharing not in SHARING
    if per == "input" and (shared or layer.inputs.groups > 1 or not _inputs_on_axis_two(layer)):
        raise UserError(f"{name}: per=input: its functions are not those of single inputs; take per=layer")


def _inputs_on_axis_two(layer: HighOrderLayer) -> bool:
    return layer.weight.shape[1 if layer.synapse.shared else 2] == layer.inputs.channels


def _carry(layer: HighOrderLayer, places: _Places) -> tuple[float, float]:
    """Write the functions as they are on the new interval; give the largest error there, and the largest value."""
    synapse, p = layer.synapse, layer.own_parameters()
    points = _points(synapse)
    new = synapse.functions(points).T  # (P, M)
    old = torch.stack([synapse.functions(points * a + b).T for a, b in zip(*places, strict=True)])  # (1 or C, P, M)
    change = torch.linalg.lstsq(new.expand(len(old), -1, -1), old).solution
    nodal = _nodal(layer, p.weight if p.functions is None else p.functions)
    moved = _along(change, nodal)
    wrong = _largest(_along(old - new @ change, nodal)), _largest(_along(old, nodal))
    bias = None if p.bias is None else p.bias.clone()
    if p.shape is None:
        store(layer, moved.to(layer.transform.dtype), None)
    else:
        store(layer, p.weight.clone(), moved.to(layer.transform.dtype))
    if bias is not None and p.bias is not None:
        p.bias.copy_(bias + p.bias if synapse.needs_bias else bias)
    return wrong


def _points(synapse: Synapse) -> Tensor:
    """Give points of the interval, float64 (P,), dense at its ends, between which no knot lies on any of them."""
    count = POINTS * synapse.basis.weights + 1
    x = torch.cos((torch.arange(count, dtype=torch.float64) + 0.5) * torch.pi / count)
    return x * (synapse.basis.length / 2)


def _nodal(layer: HighOrderLayer, stored: Tensor) -> Tensor:
    """Give nodal weights, float64, of the stored ones: (first, M, …), or (M, functions) of shared ones."""
    if layer.synapse.parameters == "nodal":
        return stored.double()
    inverse = torch.linalg.pinv(layer.synapse.basis.transform())[:, 1:].to(stored.device)
    if stored.dim() == 2:
        return inverse @ stored.double()
    return (inverse @ stored.double().flatten(2)).unflatten(2, stored.shape[2:])


def _along(matrix: Tensor, nodal: Tensor) -> Tensor:
    """Multiply each function's weights by the matrix of its input, (1 or C, rows, M)."""
    matrix = matrix.to(nodal.device)
    if nodal.dim() == 2:  # (M, functions)
        return torch.einsum("crm,mc->rc", matrix.expand(nodal.shape[1], -1, -1), nodal)
    if len(matrix) == 1:
        return (matrix[0] @ nodal.flatten(2)).unflatten(2, nodal.shape[2:])
    return torch.einsum("crm,omc...->orc...", matrix, nodal)


def _largest(values: Tensor) -> float:
    return float(values.abs().max())
