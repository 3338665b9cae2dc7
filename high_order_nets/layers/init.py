"""How the functions start."""

import math
import warnings
from collections.abc import Callable
from functools import lru_cache, partial

import torch
import torch.nn.functional as F
from torch import Tensor

from ..basis.base import on_their_own
from ..basis.ends import ENDS, tangents
from ..basis.synapse import BASES, Synapse
from ..kernels.parameters import Inputs, Parameters

Start = tuple[Tensor, float]
"""Weights of one function a channel, (M, channels), and E[f(x)²] of such a function, x standard normal."""


def _line(synapse: Synapse, channels: int) -> Start:
    """φ = x, or what stands for it; a constant where the basis has nothing else."""
    line = synapse.line()
    if not synapse.basis.line().any():
        constant = synapse.basis.constant()
        line = synapse.ended(constant, constant.new_zeros(ENDS))
    return line[:, None].expand(-1, channels), _power(synapse, line)


def _interpolant(activation: Callable[[Tensor], Tensor], synapse: Synapse, channels: int) -> Start:
    """What meets the activation at the nodes: the ordinary weights alone tell the channels apart."""
    weights = synapse.interpolate(activation)
    return weights[:, None].expand(-1, channels), _power(synapse, weights)


def _mixed(synapse: Synapse, channels: int) -> Start:
    """φ = (½ + ¼ε) x + ½ε' q(x), ε and ε' standard normal, q(x) = x²/2 for |x| ≤ 1 and |x| - ½ beyond."""
    line = synapse.line()
    bowl = synapse.interpolate(lambda x: torch.where(x.abs() <= 1, x * x / 2, x.abs() - 0.5))
    slopes = 0.5 + 0.25 * torch.randn(channels, dtype=torch.float64)
    bends = 0.5 * torch.randn(channels, dtype=torch.float64)
    power = (0.25 + 0.0625) * _power(synapse, line) + 0.25 * _power(synapse, bowl)
    return line[:, None] * slopes + bowl[:, None] * bends, power


STARTS: dict[str, Callable[[Synapse, int], Start]] = {
    "linear": _line,
    "mixed": _mixed,
    "relu": partial(_interpolant, torch.relu),
    "silu": partial(_interpolant, F.silu),
}
"""Starts by a function φ_i for every input channel and random slopes v, f_{o,i} = v_{o,i} φ_i: unit output variance."""


def variance_preserving_(weight: Tensor, synapse: Synapse, fan_in: float) -> None:
    """Start as independent random functions of mean 0: unit output variance for inputs uniform on the interval."""
    means, power = _moments(synapse)
    if power == 0:
        return uniform_(weight, synapse, fan_in)
    weight.normal_(std=1 / math.sqrt(fan_in * power))
    function_means = (weight * _along_weights(means, weight)).sum(1, keepdim=True)
    weight.sub_(function_means * _along_weights(synapse.basis.constant(), weight) * synapse.basis.has_constant)


def constant_random_(weight: Tensor, synapse: Synapse, fan_in: float) -> None:
    """Start as random constants U[0, 1) / fan_in, as the seed does: nothing depends on the input."""
    warnings.warn(
        "init=constant_random: no gradient passes such a layer at the start; init=linear trains", stacklevel=2
    )
    draws = torch.rand_like(weight[:, :1]) / fan_in
    weight.copy_(draws * _along_weights(synapse.basis.constant(), weight))


def uniform_(weight: Tensor, synapse: Synapse, fan_in: float) -> None:
    """Start with U(-1, 1) / fan_in at each node."""
    del synapse
    weight.uniform_(-1 / fan_in, 1 / fan_in)


DRAWS: dict[str, Callable[[Tensor, Synapse, float], None]] = {
    "variance_preserving": variance_preserving_,
    "constant_random": constant_random_,
    "uniform": uniform_,
}
"""Starts by independent draws of every function, weight (first, M, …)."""

INITS = (*STARTS, *DRAWS)
"""The starts by name."""


@torch.no_grad()
def draw(synapse: Synapse, inputs: Inputs, p: Parameters, like: Tensor) -> tuple[Tensor, Tensor | None]:
    """Draw nodal weights of a layer by the synapse's own rule, in the precision and place of `like`.

    Gives functions of every connection, (first, M, …), and None; or slopes, (first, …), and the functions they go
    with, (M, channels or groups). A base branch's weight is filled in place.
    """
    if synapse.init not in INITS:
        raise ValueError(f"init={synapse.init!r}: expected one of {', '.join(INITS)}")
    # What rescale_output divides by is made up for; a base branch gets half of the variance.
    gain = (inputs.fan_in if synapse.rescale_output else 1) * (math.sqrt(0.5) if synapse.base else 1)
    if p.base_weight is not None:
        p.base_weight.normal_(std=gain / math.sqrt(inputs.reached * _base_power(synapse)))
    nodal, power = _draw_functions(synapse, inputs.channels if p.shape is None else p.shape.shape[1])
    if nodal is None:  # every function for itself
        first, _, *rest = p.weight.shape
        return _draw_weights(synapse, inputs, like.new_empty(first, synapse.basis.weights, *rest), gain), None
    slopes = torch.randn_like(p.weight if synapse.shared else p.weight[:, 0], dtype=like.dtype)
    slopes *= gain / math.sqrt(inputs.reached * power)
    return slopes, nodal.to(slopes)


def _draw_functions(synapse: Synapse, functions: int) -> tuple[Tensor | None, float]:
    """Give a function for every channel or group, (M, functions), and its power; None where no channel has one."""
    if synapse.init in STARTS and synapse.basis.line().any():
        return STARTS[synapse.init](synapse, functions)
    if not synapse.shared:
        return None, 1.0
    nodal = torch.empty(1, synapse.basis.weights, functions)
    DRAWS.get(synapse.init, uniform_)(nodal, synapse, 1.0)
    return _continued(synapse, nodal)[0], 1.0


def _draw_weights(synapse: Synapse, inputs: Inputs, nodal: Tensor, gain: float) -> Tensor:
    """Draw every function by itself, (first, M, …); without a line to start from, uniformly."""
    DRAWS.get(synapse.init, uniform_)(nodal, synapse, inputs.reached)
    return _continued(synapse, nodal * gain if synapse.init == "variance_preserving" else nodal)


def _continued(synapse: Synapse, nodal: Tensor) -> Tensor:
    """Have drawn functions, (first, M, …), go on as their tangents where they have slopes of their own."""
    if not synapse.ends:
        return nodal
    slopes = torch.einsum("sm,om...->os...", tangents(synapse.basis).to(nodal), nodal)
    return torch.cat([nodal, slopes], 1)


def _along_weights(values: Tensor, weight: Tensor) -> Tensor:
    """Bring (M,) to the weight's second axis."""
    return values.to(weight).view(-1, *[1] * (weight.dim() - 2))


def _normal() -> tuple[Tensor, Tensor]:
    """Points and their weights under the standard normal density."""
    x = torch.linspace(-8, 8, 8001, dtype=torch.float64)
    density = torch.exp(-x * x / 2)
    return x, density / density.sum()


def _power(synapse: Synapse, weights: Tensor) -> float:
    """E[f(x)²] of the function of these weights (M,), x standard normal, through the layer's domain."""
    return _power_of(synapse, tuple(weights.tolist()))


@lru_cache(maxsize=256)
def _power_of(synapse: Synapse, weights: tuple[float, ...]) -> float:
    with on_their_own():
        x, density = _normal()
        values = torch.tensor(weights, dtype=torch.float64) @ synapse.functions(x)
        return float((values**2 * density).sum())


def _base_power(synapse: Synapse) -> float:
    """E[b(x)²] of the base branch's activation, x standard normal."""
    assert synapse.base is not None
    with on_their_own():
        x, density = _normal()
        return float((BASES[synapse.base](x) ** 2 * density).sum())


@lru_cache(maxsize=256)
def _moments(synapse: Synapse) -> tuple[Tensor, float]:
    """Mean of each b_j through the domain over the interval (M,), and Σ_j of their variances."""
    with on_their_own():
        edges = synapse.basis.breaks
        offsets = (torch.arange(512, dtype=torch.float64) + 0.5) / 512
        x = (edges[:-1, None] + (edges[1:] - edges[:-1])[:, None] * offsets).flatten()
        values = synapse.functions(x)[: synapse.basis.weights]
        means = values.mean(1)
        return means, float(((values - means[:, None]) ** 2).mean(1).sum())
