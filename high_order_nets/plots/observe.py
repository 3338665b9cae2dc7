"""What passes the layers of a network: inputs and outputs, watched without a trace in the network."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import partial
from typing import Any

import torch
from torch import Generator, Tensor, nn

from ..errors import UserError
from ..layers import HighOrderLayer, HighOrderLinear
from ..layers.layer_type import LAYERS
from ..models.stages import Staged

SAMPLES = 16_384
"""Numbers kept of a tensor, for its quantiles and histogram; the extremes are those of the whole tensor."""


@dataclass(frozen=True)
class Sample:
    """The finite numbers of tensors: some of them, drawn at random, and the extremes of all."""

    values: Tensor
    low: float
    high: float

    @classmethod
    def of(cls, tensor: Tensor) -> "Sample":
        """Draw from a tensor of any shape; one without finite numbers gives an empty sample."""
        flat = tensor.detach().flatten()
        finite = flat.isfinite()
        flat = flat if finite.all() else flat[finite]
        if not len(flat):
            return cls(torch.zeros(0), float("nan"), float("nan"))
        low, high = torch.aminmax(flat)
        if len(flat) > SAMPLES:
            index = torch.randint(len(flat), (SAMPLES,), generator=Generator().manual_seed(0))
            flat = flat[index.to(flat.device)]
        return cls(flat.float().cpu(), float(low), float(high))

    def __add__(self, other: "Sample") -> "Sample":
        """Join two samples."""
        if not len(self.values) or not len(other.values):
            return self if len(self.values) else other
        return Sample(torch.cat([self.values, other.values]), min(self.low, other.low), max(self.high, other.high))

    def quantiles(self, *levels: float) -> list[float]:
        """Give the quantiles at levels in [0, 1] of the numbers kept, of which there must be some."""
        return torch.quantile(self.values, torch.tensor(levels)).tolist()


@dataclass(frozen=True)
class Watched:
    """A layer, what it was given and what it gave."""

    layer: nn.Module
    inputs: Sample
    outputs: Sample

    @property
    def half(self) -> float | None:
        """Half the length of the interval on which the layer's functions live; None for an ordinary layer."""
        return self.layer.synapse.basis.length / 2 if isinstance(self.layer, HighOrderLayer) else None

    @property
    def aligned(self) -> bool:
        """Say whether the functions, and `inputs`, have the layer's input in an interval of its own."""
        return isinstance(self.layer, HighOrderLayer) and self.layer.localises

    @property
    def outside(self) -> float:
        """Give the part, in [0, 1], of the inputs that lay beyond the interval."""
        half = self.half
        beyond = self.inputs.values.abs() > (half or 0.0) * (1 + 1e-6)  # pixels are scaled to the ends, up to rounding
        return 0.0 if half is None else float(beyond.double().mean())


def contractions(net: nn.Module) -> dict[str, nn.Module]:
    """Give the high-order, linear and convolution layers by their names in the network, that of stages left out."""
    net = net.net if isinstance(net, Staged) else net
    return {name: module for name, module in net.named_modules() if isinstance(module, (HighOrderLayer, *LAYERS))}


def check_layers(net: nn.Module, layers: Any) -> None:
    """Refuse patterns (`plots.layers`) that no layer of the network answers to."""
    for pattern in [] if isinstance(layers, int) else _patterns(layers):
        if not any(fnmatch(name, pattern) for name in contractions(net)):
            names = ", ".join(list(contractions(net))[:8])
            raise UserError(f"plots.layers={pattern}: matches no layer; layers: {names}, …")


def choose_layers(watched: dict[str, Watched], layers: int | str | list[str]) -> dict[str, Watched]:
    """Choose so many layers, evenly spaced from first to last, high-order ones if there are any; or by patterns."""
    if not isinstance(layers, int):
        patterns = _patterns(layers)
        return {name: seen for name, seen in watched.items() if any(fnmatch(name, pattern) for pattern in patterns)}
    high_order = [name for name, seen in watched.items() if seen.half is not None]
    names = high_order or list(watched)
    steps = torch.linspace(0, len(names) - 1, min(layers, len(names))).round().int().tolist()
    return {names[step]: watched[names[step]] for step in steps}


def _patterns(layers: str | list[str]) -> list[str]:
    return [layers] if isinstance(layers, str) else layers


@torch.no_grad()
def watch(net: nn.Module, images: Tensor, batch: int) -> dict[str, Watched]:
    """Pass images (B, C, S, S) through the network in evaluation mode; give the layers met, in their order.

    Neither weights, statistics of norms, modes nor random states are changed.
    """
    watched: dict[str, Watched] = {}

    def record(name: str, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        given, gave = Sample.of(_local(layer, inputs[0])), Sample.of(output)
        before = watched.get(name)
        if before:
            given, gave = before.inputs + given, before.outputs + gave
        watched[name] = Watched(layer, given, gave)

    handles = [layer.register_forward_hook(partial(record, name)) for name, layer in contractions(net).items()]
    try:
        with evaluating(net):
            for part in images.split(batch):
                net.forward(part)  # A call would compile a compiled network once more, for this mode and size.
    finally:
        for handle in handles:
            handle.remove()
    return watched


def _local(layer: nn.Module, x: Tensor) -> Tensor:
    """Give a layer's input as its functions get it: in the layer's own interval."""
    if not isinstance(layer, HighOrderLayer) or not layer.localises:
        return x
    return layer.localised(x.flatten(0, -2) if isinstance(layer, HighOrderLinear) else x)


@torch.no_grad()
def evaluated(net: nn.Module, inputs: Tensor) -> Tensor:
    """Give the network's output in evaluation mode; nothing is changed, as in `watch`."""
    with evaluating(net):
        return net.forward(inputs.to(next(net.parameters())))


@contextmanager
def evaluating(net: nn.Module) -> Iterator[None]:
    """Have the network in evaluation mode; afterwards all modes are as they were."""
    modes = [(module, module.training) for module in net.modules()]
    net.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
