"""shrink: the smallest network that still fits, for reading it."""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor

from ..conversion.refine import coarsen, refine
from ..errors import UserError
from ..inference.attribution import trace, without_neuron
from ..inference.regressor import Regressor
from ..layers import HighOrderLinear
from ..models.mlp import HighOrderMLP
from .fit import fit

NODES = 8
"""So many nodes are enough to tell whether a neuron is needed."""


def shrink(found: Regressor, x: Tensor, y: Tensor, *, tolerance: float = 0.01, steps: int = 100) -> Regressor:
    """Take hidden neurons out, the least important first, as long as the rest can be fitted; give the smaller network.

    x (N, inputs) and y (N, outputs) are data in their own units. After each neuron the rest is fitted in so many steps,
    with at most 8 nodes a function; it goes for good where the root mean square error stays below `tolerance` times the
    outputs' deviation. At the end the functions have as many nodes as before, and are fitted in 3 · steps.
    Raises UserError for networks that `trace` cannot follow.
    """
    net = found.net
    if not isinstance(net, HighOrderMLP):
        raise UserError(f"{type(net).__name__}: expected a HighOrderMLP")
    trace(net, found.scaling[0](x))  # refuses what cannot be read
    nodes = _nodes(net)
    small: Any = coarsen(net, n=NODES)[0] if nodes > NODES else deepcopy(net)
    scaled = found.scaling[0](x)
    while (least := _least(small, scaled)) is not None:
        candidate = fit(without_neuron(small, *least), x, y, steps=steps)
        if not _relative_error(candidate, x, y) <= tolerance:
            break
        assert isinstance(candidate.net, HighOrderMLP)
        small, scaled = candidate.net, candidate.scaling[0](x)
    whole = refine(small, n=nodes) if nodes > NODES else small
    return fit(whole, x, y, steps=3 * steps)


def _nodes(net: HighOrderMLP) -> int:
    sizes = {layer.synapse.basis.n for layer in net.layers if isinstance(layer, HighOrderLinear)}  # type: ignore[attr-defined]
    if len(sizes) > 1:
        raise UserError(f"layers of n={', '.join(map(str, sorted(sizes)))}: expected one number of nodes")
    return sizes.pop()


def _least(net: HighOrderMLP, x: Tensor) -> tuple[int, int] | None:
    """Give layer and place of the hidden neuron that matters least; None where every layer has but one."""
    found = []
    for place, layer in enumerate(trace(net, x)[1:]):
        scores = layer.importance.sum(0)
        if len(scores) > 1:
            found.append((float(scores.min() / scores.sum()), place, int(scores.argmin())))
    return min(found)[1:] if found else None


@torch.no_grad()
def _relative_error(found: Regressor, x: Tensor, y: Tensor) -> float:
    errors = (found(x) - y).square().mean(0).sqrt() / y.std(0, correction=0).clamp(min=1e-300)
    return float(errors.max())
