"""What a layer is made of, and the precision it is computed in."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Inputs(NamedTuple):
    """Count what meets in a layer."""

    channels: int
    groups: int
    fan_in: int
    """Inputs of a neuron, channels/groups times kernel positions: what rescale_output divides by."""
    reached: float
    """Inputs that reach a neuron on average: fan_in, but for the strides of transposed convolutions."""


DEVIATION = 0.5
"""ρ: the part of a channel's deviation that its function has."""


class Parameters(NamedTuple):
    """The tensors that a layer's output depends on beside x; None for those it has not."""

    weight: Tensor
    bias: Tensor | None = None
    shape: Tensor | None = None
    base_weight: Tensor | None = None
    master: Tensor | None = None

    @property
    def functions(self) -> Tensor | None:
        """The weights of shared functions, (M, functions): φ_i = φ̄ + ρ δ_i where a master φ̄ (M, 1) is there."""
        if self.shape is None or self.master is None:
            return self.shape
        return torch.add(self.master, self.shape, alpha=DEVIATION)


def split(functions: Tensor) -> tuple[Tensor, Tensor]:
    """Give master (M, 1) and deviations (M, functions): the mean, exactly the function and 0 where all are the same."""
    first = functions[:, :1]
    master = first + (functions - first).mean(1, keepdim=True)
    return master, (functions - master) / DEVIATION


def without_autocast(tensor: Tensor) -> AbstractContextManager[Any]:
    """Keep autocast from rounding what is computed on the tensor's device; the meta device has none."""
    if tensor.is_meta or not torch.is_autocast_enabled(tensor.device.type):  # switching it off takes its time too
        return nullcontext()
    return torch.autocast(tensor.device.type, enabled=False)


def product_dtype(x: Tensor, weight: Tensor) -> torch.dtype:
    """Give the dtype that features and weights are rounded to for the product; the output has it too.

    Raises RuntimeError, as torch's own layers do, where the dtypes differ outside autocast.
    """
    if not x.is_meta and x.dtype != torch.float64 and torch.is_autocast_enabled(x.device.type):
        return torch.get_autocast_dtype(x.device.type)
    if x.dtype != weight.dtype:
        raise RuntimeError(f"the input is {x.dtype} and the layer's weight {weight.dtype}: expected the same dtype")
    return x.dtype
