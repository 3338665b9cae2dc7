"""The parameters of a layer's functions in another function space."""

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..basis.base import on_their_own
from ..basis.change import change_of_weights, terms_to_weights
from ..basis.synapse import Synapse
from ..kernels.parameters import Parameters
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
        if new.parameters == "nodal":
            return Change(matrix, None)
        coefficients = new.basis.transform() @ matrix
        constants = coefficients[:1]
        return Change(coefficients[1:], constants if (constants.abs() > TOLERANCE).any() else None)


@torch.no_grad()
def change_layer(layer: HighOrderLayer, new: Synapse) -> dict[nn.Parameter, nn.Parameter]:
    """Give the layer the new synapse, in place, its functions going with it; return old parameters → new ones.

    A parameter that stays as it is stays the same object. Functions that the new space does not contain are
    interpolated; constants that the new weights have no place for go to the bias.
    """
    p, moved = layer.own_parameters(), None
    functions = own = p.weight if p.shape is None else p.shape
    if not _same_weights(layer.synapse, new):
        change = change_between(layer.synapse, new)
        functions = _applied(change.matrix, own)
        if change.constants is not None:
            moved = _neuron_constants(layer, _applied(change.constants, own))
    weight, shape = functions, None
    if p.shape is not None and new.shared:
        weight, shape = p.weight, _split(functions, function_count(layer, new))
    elif p.shape is not None:
        weight = p.weight.double().unsqueeze(1) * layer.spread(layer.per_channel(functions.double()))
    after = Parameters(
        _stored(weight, p.weight),
        _bias(layer, new, moved),
        None if shape is None else _stored(shape, own),
        p.base_weight,
    )
    layer.become(new, after)
    pairs = zip(p, after, strict=True)
    return {old: now for old, now in pairs if old is not None and now is not None and old is not now}  # type: ignore[misc]


def function_count(layer: HighOrderLayer, synapse: Synapse) -> int:
    """Count the functions of a layer that shares them as the synapse says."""
    return layer.inputs.channels if synapse.sharing == "channel" else int(synapse.sharing)


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


def _split(shape: Tensor, functions: int) -> Tensor:
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
