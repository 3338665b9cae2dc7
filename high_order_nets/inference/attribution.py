"""What each connection and neuron of a small fully connected network is for."""

from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..errors import UserError
from ..layers import HighOrderLinear
from ..models.mlp import HighOrderMLP

LARGEST = 400
"""Connections of a layer up to which they are looked at one by one."""


@dataclass(frozen=True)
class Traced:
    """A layer with what it got and what its functions made of it.

    `inputs` (N, in), `values` f_{o,i}(x_i) (N, out, in), `outputs` (N, out), all float64; `importance` (out, in) is the
    part of the network's outputs that runs through each connection.
    """

    layer: HighOrderLinear
    inputs: Tensor
    values: Tensor
    outputs: Tensor
    importance: Tensor

    @property
    def constants(self) -> Tensor:
        """What a neuron adds to its functions, (out,)."""
        return (self.outputs - self.values.sum(2)).mean(0)


@torch.no_grad()
def trace(net: nn.Module, x: Tensor) -> list[Traced]:
    """Follow x (N, inputs) through a network of functions alone, HighOrderMLP without norms and residuals.

    Importance is attributed backwards from the outputs, 1 each: a neuron's is shared out among its connections by the
    standard deviations of their functions, over that of the neuron (Liu et al., 2024, arXiv:2408.10205).
    Raises UserError for other networks, and for layers of more than 400 connections.
    """
    layers = _layers(net)
    x = x.to(layers[0].weight)
    steps = []
    for layer in layers:
        outputs = layer(x)
        steps.append((layer, x.double(), _values(layer, x), outputs.double()))
        x = outputs
    found: list[Traced] = []
    score = torch.ones(steps[-1][3].shape[1], dtype=torch.float64)
    for layer, inputs, values, outputs in reversed(steps):
        spread = outputs.std(0).clamp(min=1e-300)
        importance = values.std(0) / spread[:, None] * score[:, None]
        found.insert(0, Traced(layer, inputs, values, outputs, importance))
        score = importance.sum(0)
    return found


@torch.no_grad()
def without_neuron(net: HighOrderMLP, layer: int, neuron: int) -> HighOrderMLP:
    """Give a copy without a neuron of a hidden layer, whose mean the next layer's functions no longer see."""
    copy = deepcopy(net)
    before, after = (copy.layers[place] for place in (layer, layer + 1))
    assert isinstance(before, HighOrderLinear)
    assert isinstance(after, HighOrderLinear)
    kept = [place for place in range(before.out_features) if place != neuron]
    copy.layers[layer] = _cut(before, before.in_features, len(kept), kept, None)
    copy.layers[layer + 1] = _cut(after, len(kept), after.out_features, None, kept)
    return copy


def _cut(
    layer: HighOrderLinear, inputs: int, outputs: int, rows: list[int] | None, columns: list[int] | None
) -> HighOrderLinear:
    new = HighOrderLinear(inputs, outputs, layer.synapse, bias=layer.bias is not None)
    new = new.to(layer.weight)
    state = {key: value.clone() for key, value in layer.state_dict().items()}
    if rows is not None:
        state = {key: value[rows] for key, value in state.items()}
    if columns is not None:
        state["weight"] = state["weight"][..., columns]
    new.load_state_dict(state)
    return new


def _layers(net: nn.Module) -> list[HighOrderLinear]:
    rule = "expected a HighOrderMLP without norms, activations, residual connections, base, sharing and data intervals"
    if not isinstance(net, HighOrderMLP) or net.residual:
        raise UserError(f"{type(net).__name__}: {rule}")
    layers = []
    for layer in net.layers:
        if not isinstance(layer, HighOrderLinear) or not _is_plain(layer):
            raise UserError(f"{type(layer).__name__}: {rule}")
        if layer.in_features * layer.out_features > LARGEST:
            raise UserError(f"{layer.in_features} → {layer.out_features}: more than {LARGEST} connections to read")
        layers.append(layer)
    if any(not isinstance(each, nn.Identity) for each in (*net.norms, *net.activations)):
        raise UserError(f"{type(net).__name__}: {rule}")
    return layers


def _is_plain(layer: HighOrderLinear) -> bool:
    """Say whether the layer's functions of its inputs, added up, are all of it."""
    own = layer.base_weight is None and layer.shape is None and not layer.localises
    return own and layer.synapse.neuron == "sum"


def _values(layer: HighOrderLinear, x: Tensor) -> Tensor:
    """f_{o,i}(x_i), (N, out, in), float64; constants of spectral functions are in the bias, and not here."""
    constants, coefficients = layer.coefficients()
    terms = torch.stack(layer.synapse.terms(x.double()))  # (G, N, in)
    values = torch.einsum("ogi,gni->noi", coefficients.double(), terms)
    return values if constants is None else values + constants.double()
