"""The parameters of a layer's functions in another function space."""

from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..basis.base import on_their_own
from ..basis.change import change_of_weights, terms_to_weights
from ..basis.ends import with_ends
from ..basis.synapse import Synapse
from ..kernels.parameters import Parameters, split
from .base import HighOrderLayer

TOLERANCE = 1e-9
"""Coefficients and errors below this, of functions of about 1 in float64, are rounding."""


class Change(NamedTuple):
    """What takes stored weights to those of another synapse."""

    matrix: Tensor
    """(stored', stored), float64: M or G of the new synapse by M or G of the old one."""
    constants: Tensor | None
    """(1, stored): the constants that have no place among the new weights; None where there are none."""


@lru_cache(maxsize=256)
def change_between(old: Synapse, new: Synapse) -> Change:
    """Make the change from the weights of one synapse to those of another, made once."""
    with on_their_own(), torch.no_grad():
        matrix = change_of_weights(old.basis, new.basis)
        if old.parameters == "spectral":
            matrix = matrix @ terms_to_weights(old.basis)[:, 1:]
        constants = None
        if new.parameters == "spectral":
            coefficients = new.basis.transform() @ matrix
            matrix, constants = coefficients[1:], coefficients[:1]
        if new.ends:
            matrix, constants = with_ends(matrix), None if constants is None else F.pad(constants, (0, new.ends))
        return Change(matrix, constants if constants is not None and (constants.abs() > TOLERANCE).any() else None)


@torch.no_grad()
def change_layer(layer: HighOrderLayer, new: Synapse) -> dict[nn.Parameter, nn.Parameter]:
    """Give the layer the new synapse, in place, its functions going with it; return old parameters → new ones.

    A parameter that stays as it is stays the same object. Functions that the new space does not contain are
    interpolated; constants that the new weights have no place for go to the bias.
    """
    p, same, moved = layer.own_parameters(), _same_weights(layer.synapse, new), None
    change = None if same else change_between(layer.synapse, new)
    if change is not None and change.constants is not None:
        moved = _neuron_constants(layer, _applied(change.constants, p.weight if p.functions is None else p.functions))
    made = _in_space(layer, new, change)
    after = Parameters(
        _stored(made.weight, p.weight),
        _bias(layer, new, moved),
        _stored_shared(made.shape, p.shape),
        p.base_weight,
        _stored_shared(made.master, p.shape if p.master is None else p.master),
    )
    layer.become(new, after)
    pairs = zip(p, after, strict=True)
    return {old: now for old, now in pairs if old is not None and now is not None and old is not now}  # type: ignore[misc]


def _in_space(layer: HighOrderLayer, new: Synapse, change: Change | None) -> Parameters:
    """Give the layer's parameters with weight, shape and master as the new synapse has them; None: in the same space.

    What stays is the same object, all else float64.
    """
    p = layer.own_parameters()
    if p.shape is None:
        return p if change is None else p._replace(weight=_applied(change.matrix, p.weight))
    if change is not None:
        master = None if p.master is None else _applied(change.matrix, p.master)
        p = p._replace(shape=_applied(change.matrix, p.shape), master=master)
    if new.sharing == layer.synapse.sharing:
        return p
    if p.master is not None:
        p = p._replace(shape=p.shape.double(), master=p.master.double())  # type: ignore[union-attr]
    functions = p.functions
    assert functions is not None
    if not new.shared:
        full = p.weight.double().unsqueeze(1) * layer.spread(layer.per_channel(functions.double()))
        return p._replace(weight=full, shape=None, master=None)
    functions = _repeated(functions, new.function_count(layer.inputs.channels))
    master, shape = split(functions.double()) if new.sharing == "deviation" else (None, functions)
    return p._replace(shape=shape, master=master)


def _same_weights(old: Synapse, new: Synapse) -> bool:
    return (old.basis, old.parameters) == (new.basis, new.parameters)


def _applied(matrix: Tensor, functions: Tensor) -> Tensor:
    """Multiply along the axis of a function's weights: the first of (stored, functions), else the second."""
    matrix = matrix.to(functions.device)
    if functions.dim() == 2:
        return matrix @ functions.double()
    return (matrix @ functions.double().flatten(2)).unflatten(2, functions.shape[2:])


def _neuron_constants(layer: HighOrderLayer, constants: Tensor) -> Tensor:
    """Add up the constants of a neuron's functions, of axis length 1: (out,)."""
    if layer.shape is not None:
        constants = layer.weight.double().unsqueeze(1) * layer.spread(layer.per_channel(constants))
    return layer.neuron_sums(layer.rescaled(constants[:, 0]))


def _repeated(shape: Tensor, functions: int) -> Tensor:
    """Repeat the functions of groups of channels, (stored, functions), for the smaller groups that there will be."""
    return shape if functions == shape.shape[1] else shape.repeat_interleave(functions // shape.shape[1], 1)


def _bias(layer: HighOrderLayer, new: Synapse, moved: Tensor | None) -> nn.Parameter | None:
    bias, weight = layer.bias, layer.weight
    if moved is None and bias is None and new.needs_bias:
        moved = layer.neuron_sums(torch.zeros_like(weight if layer.synapse.shared else weight[:, 0]))
    if moved is None:
        return bias  # type: ignore[return-value]
    return _stored(moved, weight) if bias is None else _stored(bias.double() + moved, bias)


def _stored(values: Tensor, like: Tensor) -> nn.Parameter:
    """Make values a parameter like another one, rounded once; that one itself stays what it is."""
    if values is like:
        return values  # type: ignore[return-value]
    return nn.Parameter(values.to(like.dtype), requires_grad=like.requires_grad)


def _stored_shared(values: Tensor | None, like: Tensor | None) -> nn.Parameter | None:
    """Do so with what a layer may be without."""
    return None if values is None or like is None else _stored(values, like)
