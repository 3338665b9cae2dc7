"""Weight decay by degree: what a function a connection pays for its higher terms."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..layers import HighOrderLayer
from ..layers.bending import DEGREES, degrees


class DecayByDegree:
    """Decay the coefficient of degree d by weight_decay · factors[d - 1], the last factor for all higher degrees.

    Of the layers with a spectral function a connection, as far as their terms have degrees. The optimizer's own decay
    is the part of a factor 1; the rest comes where that acts: into the gradient after it was clipped, or, for an
    optimizer that shrinks weights beside its step, by as much as it would shrink the weight before that step.
    """

    def __init__(self, net: nn.Module, factors: Sequence[float]):
        self._net, self._factors = net, factors
        self._left: list[tuple[Tensor, Tensor]] = []

    @torch.no_grad()
    def before_step(self, optimizer: Optimizer) -> None:
        """Add to the gradients, or work out what the weights are to lose."""
        groups = {parameter: group for group in optimizer.param_groups for parameter in group["params"]}
        for weight, factors in self._weights():
            group = groups[weight]
            more = group["weight_decay"] * (factors - 1) * weight
            if is_decoupled(optimizer, group):
                self._left.append((weight, group["lr"] * more))
            else:
                weight.grad += more

    @torch.no_grad()
    def after_step(self) -> None:
        """Let the weights lose it: only now, since the step may differentiate through them."""
        for weight, loss in self._left:
            weight.sub_(loss)
        self._left.clear()

    def _weights(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the weights (first, G, …) that a step changes with the factors (G, …) of their coefficients."""
        for layer in self._net.modules():
            if isinstance(layer, HighOrderLayer) and layer.weight.grad is not None and _has_degrees(layer):
                found = [*degrees(layer.synapse.basis), *[1] * layer.synapse.ends]  # beyond the ends there are lines
                factors = [self._factors[min(d, len(self._factors)) - 1] for d in found]
                yield layer.weight, layer.weight.new_tensor(factors).view(-1, *[1] * (layer.weight.dim() - 2))


def _has_degrees(layer: HighOrderLayer) -> bool:
    synapse = layer.synapse
    return synapse.parameters == "spectral" and not synapse.shared and type(synapse.basis) in DEGREES


def is_decoupled(optimizer: Optimizer, group: dict[str, Any]) -> bool:
    """Say whether the optimizer shrinks weights beside its step, as AdamW, Lion, Sophia and AdaHessian do."""
    keys = ("decoupled_weight_decay", "weight_decouple")  # torch's and pytorch_optimizer's
    return any(group.get(key) for key in keys) or type(optimizer).__name__ == "Lion"
