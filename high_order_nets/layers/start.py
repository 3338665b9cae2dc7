"""A high-order layer that starts as the ordinary one in whose place it stands."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..basis.fit import DEVIATIONS, EXACT, Fit, nearest
from .activation import HighOrderActivation
from .base import HighOrderLayer, store

ROWS, IMAGES, OUTPUTS = 64, 2, 8
"""How many inputs a layer is compared on: vectors, or images that give about so many outputs along each axis."""
SLACK = 100
"""How many of the smallest steps of its dtype a layer may be off and still be called equal."""


@dataclass(frozen=True, eq=False)
class Start:
    """y = ordinary(activation(x)), what a high-order layer is to begin as; without an activation ordinary(x).

    The ordinary layer's weight w gives f_{o,i}(x) = w_{o,i} φ(x), where φ is the function of the layer's space that is
    nearest to the activation, or to x: see `basis.fit`. Of a HighOrderActivation, which has no weight, `ordinary` is
    the identity.
    """

    ordinary: nn.Module
    activation: nn.Module | None = None

    def __deepcopy__(self, memo: Any) -> "Start":
        return self  # nothing of it is ever changed

    @torch.no_grad()
    def write(self, layer: HighOrderLayer) -> None:
        """Give the layer, in place, these functions of what its interval makes of x; nothing on the meta device."""
        if layer.weight.is_meta:
            return
        fit, p = self.fit(layer), layer.own_parameters()
        slopes = torch.ones_like(layer.weight) if self._is_function(layer) else self.ordinary.weight
        slopes = slopes.to(layer.transform) * (layer.fan_in if layer.synapse.rescale_output else 1)  # type: ignore[operator]
        if p.bias is not None:
            p.bias.zero_()
        channels = layer.inputs.channels
        store(layer, slopes, fit.weights.to(slopes).expand(-1, channels if p.shape is None else p.shape.shape[1]))
        if p.base_weight is not None:
            p.base_weight.copy_(slopes * layer.spread(fit.base.to(slopes).expand(1, channels))[:, 0])
        if p.bias is not None and (bias := getattr(self.ordinary, "bias", None)) is not None:
            p.bias.add_(bias.to(p.bias))

    def holds(self, layer: HighOrderLayer) -> bool:
        """Say whether the layer's functions can be exactly these, at padded places too."""
        fit = self.fit(layer)
        return fit.exact and not self._pads_constants(layer, fit)

    def written(self, layer: HighOrderLayer) -> bool:
        """Say whether the layer still is as it was written."""
        copy = deepcopy(layer)
        self.write(copy)
        return all(map(torch.allclose, layer.parameters(), copy.parameters()))

    def fit(self, layer: HighOrderLayer) -> Fit:
        """Fit the activation, or x: one column, or one for each channel that has an interval of its own."""
        interval = layer.interval
        if interval is not None and layer.synapse.align != "channel":
            interval = interval[:, :1]
        return nearest(layer.synapse, self._function(), interval)

    @torch.no_grad()
    def error(self, layer: HighOrderLayer, module: nn.Module) -> float:
        """Measure how far `module`, which holds the layer, is off: rms of y' - y, relative to that of y.

        On normal inputs whose deviation is a quarter of the functions' interval, and on the CPU, where products are
        not shortened. nan on the meta device.
        """
        if layer.weight.is_meta:
            return float("nan")
        x, training = self._inputs(layer), module.training
        activated = x if self.activation is None else deepcopy(self.activation).to(x)(x.clone())
        wanted = _on_cpu(self.ordinary)(activated)
        missed = _on_cpu(module.eval())(x) - wanted
        module.train(training)
        size, off = float(wanted.double().norm()), float(missed.double().norm())
        return off / size if size else off

    def slack(self, layer: HighOrderLayer) -> float:
        """Give the error that is no more than rounding."""
        return SLACK * torch.finfo(layer.weight.dtype).eps

    def obstacle(self, layer: HighOrderLayer) -> str:
        """Say what keeps the layer from being equal to what it stands for."""
        fit, synapse = self.fit(layer), layer.synapse
        if not fit.exact:
            wanted = "x" if self.activation is None else type(self.activation).__name__
            return f"no function of {synapse.basis} with domain={synapse.domain} is {wanted}"
        if synapse.neuron == "product":
            return "its neurons multiply"
        if self._pads_constants(layer, fit):
            return "its padding leaves out constants, which parameters=nodal keeps with the functions"
        return "rounding"

    def _function(self) -> Callable[[Tensor], Tensor]:
        """Give the activation, or the identity, for float64 on the CPU."""
        if self.activation is None:
            return lambda x: x
        activation = deepcopy(self.activation).double().cpu()
        return lambda x: activation(x.clone())  # it may work in place

    def _is_function(self, layer: HighOrderLayer) -> bool:
        return isinstance(layer, HighOrderActivation)

    def _pads_constants(self, layer: HighOrderLayer, fit: Fit) -> bool:
        """Say whether constants of the functions are in the bias, which padded places get too."""
        if layer.synapse.parameters != "spectral" or layer.constants_add_up:
            return False
        constants = layer.synapse.transform()[0] @ fit.weights
        return bool((constants.abs() > EXACT).any())

    def _inputs(self, layer: Any) -> Tensor:
        """Draw normal inputs, the same each time."""
        size = getattr(layer, "kernel_size", ())
        shape = (IMAGES, layer.inputs.channels, *self._sizes(layer)) if size else (ROWS, layer.inputs.channels)
        x = torch.randn(shape, generator=torch.Generator().manual_seed(0), device="cpu", dtype=torch.float32)
        return (x * (layer.synapse.basis.length / DEVIATIONS)).to(layer.weight.dtype)

    def _sizes(self, layer: Any) -> list[int]:
        """Give the sizes of images: what a kernel spans and as much as it may pad, and some outputs more."""
        padding = getattr(layer, "padding", 0)
        pads = padding if isinstance(padding, tuple) else (0,) * len(layer.kernel_size)
        steps = getattr(layer, "dilation", (1,) * len(layer.kernel_size))
        reach = [step * (size - 1) for step, size in zip(steps, layer.kernel_size, strict=True)]
        return [OUTPUTS + span + pad for span, pad in zip(reach, pads, strict=True)]


def _on_cpu(module: nn.Module) -> nn.Module:
    """Give the module if it is there, else a copy."""
    return module if all(p.device.type == "cpu" for p in module.parameters()) else deepcopy(module).cpu()
