"""Neurons that multiply their inputs' functions."""

from dataclasses import replace
from typing import Any

from ..basis.synapse import Synapse
from .layer_type import as_synapse, make_synapse
from .linear import HighOrderLinear


class HighOrderProduct(HighOrderLinear):
    """y_o = -1 + Π_i (1 + f_i) - (1 - α) Σ_i f_i + bias_o with f_i = f_{o,i}(x_i): x (…, in) → (…, out).

    weight (out, M, in). α = 1 keeps the linear part that the product contains, α = 0 takes it out.
    The constants of the functions matter one by one here, so that `parameters` is always nodal. A base branch is
    added to the neuron, not to its factors.
    """

    neuron = "product"

    def __init__(
        self,
        in_features: int,
        out_features: int,
        synapse: Synapse | str,
        bias: bool = False,
        device: Any = None,
        dtype: Any = None,
        **options: Any,
    ):
        synapse = replace(as_synapse(synapse, options, type(self)), parameters="nodal", neuron="product")
        super().__init__(in_features, out_features, synapse, bias, device, dtype)


def fully_connected(in_features: int, out_features: int, synapse: Synapse, **options: Any) -> HighOrderLinear:
    """Make the layer whose neurons add or multiply, as the synapse says; bias, device and dtype are its options."""
    layer = HighOrderProduct if synapse.neuron == "product" else HighOrderLinear
    return layer(in_features, out_features, synapse, **options)


class Product(HighOrderProduct):
    """The product neuron of f_i = w_{o,i} x_i, with a bias: x (…, in) → (…, out), weight (out, 1, in)."""

    def __init__(
        self, in_features: int, out_features: int, alpha: float = 1.0, bias: bool = True, device=None, dtype=None
    ):
        super().__init__(in_features, out_features, make_synapse("product", alpha=alpha), bias, device, dtype)
