"""What linear and convolution layers share: a weight, and its way from nodal values to reduced coefficients."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from .init import initialise
from .synapse import Synapse


def without_autocast(tensor: Tensor) -> AbstractContextManager[Any]:
    """Keep autocast from rounding what is computed on the tensor's device; the meta device has none."""
    return nullcontext() if tensor.is_meta else torch.autocast(tensor.device.type, enabled=False)


class HighOrderLayer(nn.Module):
    """y_o = Σ_i f_{o,i}(x_i) + bias_o, with a weight of shape (first, M, …): see the subclasses.

    With `parameters="spectral"` the weight has shape (first, G, …), the coefficients of φ_1 … φ_G, and one bias
    a neuron stands for all constants. `weight` and `bias` are the only entries of the state: T follows from the basis.
    """

    transform: Tensor

    def __init__(self, weight_shape: tuple[int, ...], fan_in: int, synapse: Synapse, bias: int | None, **factory: Any):
        super().__init__()
        self.synapse = synapse
        self.fan_in = fan_in
        self._has_constant = synapse.basis.has_constant
        self.weight = nn.Parameter(torch.empty(weight_shape, **factory))
        self.bias = None if bias is None else nn.Parameter(torch.empty(bias, **factory))
        self.register_buffer("transform", self._exact_transform(), persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the functions by the synapse's `init`; a bias of its own starts at 0."""
        if self.bias is not None:
            nn.init.zeros_(self.bias)
        if not self.weight.is_meta:
            self._draw()

    @torch.no_grad()
    def _draw(self) -> None:
        if self.synapse.parameters == "nodal":
            return initialise(self.weight, self.synapse, self.fan_in)
        first, _, *rest = self.weight.shape
        nodal = self.transform.new_empty(first, self.synapse.basis.weights, *rest)
        initialise(nodal, self.synapse, self.fan_in)
        a = self._transformed(nodal)
        self.weight.copy_(a[:, 1:])
        if self.bias is not None:  # One bias stands for the constants of all synapses.
            self.bias.copy_(self._rescaled(a[:, 0]).flatten(1).sum(1))

    def _exact_transform(self) -> Tensor:
        # At least float32, and never rounded on the way: `.bfloat16().double()` ends with an exact T again.
        dtype = torch.promote_types(self.weight.dtype, torch.float32)
        return self.synapse.basis.transform().to(device=self.weight.device, dtype=dtype)

    def _apply(self, fn: Any, recurse: bool = True) -> "HighOrderLayer":
        super()._apply(fn, recurse)
        self.transform = self._exact_transform()
        return self

    def coefficients(self) -> tuple[Tensor | None, Tensor]:
        """a_0, (first, …) or None where there is none, and a_1 … a_G, (first, G, …); divided under rescale_output."""
        if self.synapse.parameters == "spectral":
            a0, a = None, self._rescaled(self.weight)
        else:
            with without_autocast(self.weight):
                full = self._rescaled(self._transformed(self.weight)).to(self.weight.dtype)
            a0, a = full[:, 0] if self._has_constant else None, full[:, 1:]
        if a.shape[1] == 0:  # Constants alone: one group of zeros keeps the contraction an ordinary one.
            a = a.new_zeros(len(a), 1, *a.shape[2:])
        return a0, a

    def _transformed(self, weight: Tensor) -> Tensor:
        """T w along the second axis: (first, M, …) → (first, 1 + G, …)."""
        a = self.transform @ weight.to(self.transform.dtype).flatten(2)
        return a.view(len(weight), len(self.transform), *weight.shape[2:])

    def _rescaled(self, weight: Tensor) -> Tensor:
        return weight / self.fan_in if self.synapse.rescale_output else weight

    @property
    def redundant_parameters(self) -> int:
        """Count the weights that only repeat a constant: one a neuron would do for all of its synapses."""
        if self.synapse.parameters == "spectral" or not self._has_constant:
            return 0
        synapses = self.weight.numel() // self.weight.shape[1]
        neurons = synapses // self.fan_in
        return synapses - (neurons if self.bias is None else 0)

    def extra_repr(self) -> str:
        """Show the weight's shape and the synapse."""
        return f"weight={tuple(self.weight.shape)}, {self.synapse}, bias={self.bias is not None}"
