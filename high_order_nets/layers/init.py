"""How the functions start."""

import math
import warnings
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

from ..basis.base import on_their_own
from .synapse import Synapse


def linear_(weight: Tensor, synapse: Synapse, fan_in: int) -> None:
    """Start as random lines through 0: unit output variance for a standard normal input, whatever n and segments are.

    weight: (first, M, …). The network starts as the ordinary network would (gain 1, fan-in).
    """
    line = synapse.basis.line()
    if not line.any():  # A constant alone has no line.
        return uniform_(weight, synapse, fan_in)
    deviation = _target_deviation(synapse, fan_in) / math.sqrt(_line_power(synapse))
    slopes = torch.randn_like(weight[:, :1]) * deviation
    weight.copy_(slopes * _along_weights(line, weight))


def variance_preserving_(weight: Tensor, synapse: Synapse, fan_in: int) -> None:
    """Start as independent random functions of mean 0: unit output variance for inputs uniform on the interval."""
    means, power = _moments(synapse)
    if power == 0:
        return uniform_(weight, synapse, fan_in)
    weight.normal_(std=_target_deviation(synapse, fan_in) / math.sqrt(power))
    function_means = (weight * _along_weights(means, weight)).sum(1, keepdim=True)
    weight.sub_(function_means * _along_weights(synapse.basis.constant(), weight) * synapse.basis.has_constant)


def constant_random_(weight: Tensor, synapse: Synapse, fan_in: int) -> None:
    """Start as random constants U[0, 1) / fan_in, as the seed does: nothing depends on the input."""
    warnings.warn(
        "init=constant_random: no gradient passes such a layer at the start; init=linear trains", stacklevel=2
    )
    draws = torch.rand_like(weight[:, :1]) / fan_in
    weight.copy_(draws * _along_weights(synapse.basis.constant(), weight))


def uniform_(weight: Tensor, synapse: Synapse, fan_in: int) -> None:
    """Start with U(-1, 1) / fan_in at each node."""
    del synapse
    weight.uniform_(-1 / fan_in, 1 / fan_in)


INITS: dict[str, Callable[[Tensor, Synapse, int], None]] = {
    "linear": linear_,
    "variance_preserving": variance_preserving_,
    "constant_random": constant_random_,
    "uniform": uniform_,
}


@torch.no_grad()
def initialise(weight: Tensor, synapse: Synapse, fan_in: int) -> None:
    """Fill the weight (first, M, …) by the synapse's own rule; fan_in counts a neuron's inputs."""
    if synapse.init not in INITS:
        raise ValueError(f"init={synapse.init!r}: expected one of {', '.join(INITS)}")
    INITS[synapse.init](weight, synapse, fan_in)


def _target_deviation(synapse: Synapse, fan_in: int) -> float:
    """Standard deviation of one function's output that gives a neuron of unit variance."""
    return math.sqrt(fan_in) if synapse.rescale_output else 1 / math.sqrt(fan_in)


def _along_weights(values: Tensor, weight: Tensor) -> Tensor:
    """Bring (M,) to the weight's second axis."""
    return values.to(weight).view(-1, *[1] * (weight.dim() - 2))


@lru_cache(maxsize=256)
def _line_power(synapse: Synapse) -> float:
    """E[f(x)²] of the line, x standard normal, through the layer's domain."""
    with on_their_own():
        x = torch.linspace(-8, 8, 8001, dtype=torch.float64)
        density = torch.exp(-x * x / 2)
        values = synapse.basis.line() @ synapse.functions(x)
        return float((values**2 * density).sum() / density.sum())


@lru_cache(maxsize=256)
def _moments(synapse: Synapse) -> tuple[Tensor, float]:
    """Mean of each b_j through the domain over the interval (M,), and Σ_j of their variances."""
    with on_their_own():
        edges = synapse.basis.breaks
        offsets = (torch.arange(512, dtype=torch.float64) + 0.5) / 512
        x = (edges[:-1, None] + (edges[1:] - edges[:-1])[:, None] * offsets).flatten()
        values = synapse.functions(x)
        means = values.mean(1)
        return means, float(((values - means[:, None]) ** 2).mean(1).sum())
