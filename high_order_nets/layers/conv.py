"""Convolutions in one, two and three dimensions."""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..basis.synapse import Synapse
from ..kernels.parameters import Inputs, Parameters
from .base import HighOrderLayer
from .layer_type import as_synapse

PADDING_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "replicate", "circular": "circular"}
"""torch.nn's names of the padding modes → F.pad's."""

Size = int | tuple[int, ...]


def sizes(size: Size, dimensions: int) -> tuple[int, ...]:
    """Give one number a dimension."""
    given = (size,) * dimensions if isinstance(size, int) else tuple(size)
    if len(given) != dimensions:
        raise ValueError(f"{size}: expected one number or {dimensions} of them")
    return given


def written_sizes(layer: Any, more: dict[str, Any]) -> str:
    """Write the sizes of a convolution, and those of its options that are not the default, as torch's repr does."""
    ones = (1,) * layer.dimensions
    options: dict[str, Any] = {"kernel_size": layer.kernel_size, "stride": layer.stride}
    options |= {"padding": layer.padding} if layer.padding not in ((0,) * layer.dimensions, 0) else {}
    options |= {"dilation": layer.dilation} if layer.dilation != ones else {}
    options |= {"groups": layer.inputs.groups} if layer.inputs.groups != 1 else {}
    words = ", ".join(f"{key}={value}" for key, value in (options | more).items())
    return f"{layer.in_channels}, {layer.out_channels}, {words}"


def check_groups(in_channels: int, out_channels: int, groups: int) -> None:
    """Refuse groups that do not divide the channels."""
    if groups < 1 or in_channels % groups or out_channels % groups:
        raise ValueError(f"groups={groups}: must divide in_channels={in_channels} and out_channels={out_channels}")


class _HighOrderConv(HighOrderLayer):
    """y[b, o, p] = Σ_{c, k} f_{o,c,k}(x[b, c, p·stride + k·dilation - padding]) + bias_o.

    weight: (out, M, in/groups, *kernel).

    Takes the keywords of the torch layer it stands for and gives its output shape. synapse is a Synapse, or a layer
    type's name with its options (`"polynomial", n=3, scale=4.0`). Padding is in basis space: a tap outside the image
    contributes 0, not f(0) (padding_mode="zeros"; the other modes pad x before the basis).
    """

    dimensions: int
    convolve: Callable[..., Tensor]

    def __init__(  # noqa: PLR0913 (torch's own keywords)
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        synapse: Synapse | str,
        *,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = False,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
        **options: Any,
    ):
        synapse = as_synapse(synapse, options, type(self))
        check_groups(in_channels, out_channels, groups)
        self._check_padding(padding, stride, padding_mode)
        kernel = sizes(kernel_size, self.dimensions)
        fan_in = in_channels // groups * math.prod(kernel)
        super().__init__(
            (out_channels, in_channels // groups, *kernel),
            Inputs(in_channels, groups, fan_in, fan_in),
            synapse,
            out_channels if bias or synapse.needs_bias else None,
            device=device,
            dtype=dtype,
        )
        self.in_channels, self.out_channels, self.kernel_size = in_channels, out_channels, kernel
        self.stride, self.dilation = sizes(stride, self.dimensions), sizes(dilation, self.dimensions)
        self.groups, self.padding_mode = groups, padding_mode
        self.padding = padding if isinstance(padding, str) else sizes(padding, self.dimensions)

    def _check_padding(self, padding: Size | str, stride: Size, padding_mode: str) -> None:
        if padding_mode not in PADDING_MODES:
            raise ValueError(f"padding_mode={padding_mode!r}: expected one of {', '.join(PADDING_MODES)}")
        if isinstance(padding, str) and padding not in ("same", "valid"):
            raise ValueError(f"padding={padding!r}: expected a number, same or valid")
        if padding == "same" and any(step != 1 for step in sizes(stride, self.dimensions)):
            raise ValueError(f"padding='same' with stride={stride}: the size can only stay the same at stride 1")

    def _sizes(self) -> str:
        padding = {} if self.padding_mode == "zeros" else {"padding_mode": self.padding_mode}
        return written_sizes(self, padding)

    def forward(self, x: Tensor) -> Tensor:
        """x (batch, in, *space) or (in, *space) → (batch, out, *space') or (out, *space')."""
        if x.dim() == self.dimensions + 1:
            return self.forward(x.unsqueeze(0)).squeeze(0)
        if x.dim() != self.dimensions + 2 or x.shape[1] != self.in_channels:
            expected = f"(batch, {self.in_channels}, *space) with {self.dimensions} axes of space"
            raise ValueError(f"x of shape {tuple(x.shape)}: expected {expected}")
        if self.padding_mode != "zeros":
            x = F.pad(x, self._pad_sizes(), mode=PADDING_MODES[self.padding_mode])
        return self.evaluate(x)

    def contract(self, features: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
        """Convolve: features (batch, T·in, *space), kernel (out, T, in/groups, *k) → (batch, out, *space')."""
        return self._convolved(features, kernel.flatten(1, 2), bias, self.groups)

    def contract_gradients(
        self, grad: Tensor, features: Tensor, kernel: Tensor, needed: tuple[bool, bool]
    ) -> tuple[Tensor | None, Tensor | None]:
        """Give the gradients of features and kernel."""
        before, after, padding = self._basis_padding()
        padded = F.pad(features, _last_first(before, after)) if before != after else features
        features_grad, kernel_grad, _ = torch.ops.aten.convolution_backward(
            *(grad, padded, kernel.flatten(1, 2), None, self.stride, padding, self.dilation),
            *(False, [0] * self.dimensions, self.groups, [*needed, False]),
        )
        if needed[0] and before != after:
            for axis, (start, length) in enumerate(zip(before, features.shape[2:], strict=True), start=2):
                features_grad = features_grad.narrow(axis, start, length)
        return features_grad, kernel_grad.view_as(kernel) if needed[1] else None

    def offset(self, p: Parameters, x: Tensor) -> Tensor | None:
        """Sum the constants of the taps inside the image: (1, out, *space'), or (out,) without padding."""
        constants = self.constants(p)
        if constants is None:
            return p.bias
        before, after, _ = self._basis_padding()
        if any((*before, *after)):
            taps = constants.sum(1, keepdim=True)  # (out, 1, *k)
            plane = self._convolved(taps.new_ones(1, 1, *x.shape[2:]), taps, None, 1)
            return plane if p.bias is None else plane + p.bias.view(-1, *[1] * self.dimensions)
        total = self.neuron_sums(constants)
        return total if p.bias is None else total + p.bias

    def neuron_sums(self, constants: Tensor) -> Tensor:
        """(out, in/groups, *k) → (out,)."""
        return constants.flatten(1).sum(1)

    @property
    def constants_add_up(self) -> bool:
        """Not where taps are padded in basis space."""
        before, after, _ = self._basis_padding()
        return not any((*before, *after))

    def spread(self, values: Tensor) -> Tensor:
        """(rows, in) → (out, rows, in/groups, 1, …): the channels that each output sees."""
        grouped = values.unflatten(1, (self.inputs.groups, -1)).transpose(0, 1)
        outputs = grouped.repeat_interleave(len(self.weight) // self.inputs.groups, 0)
        return outputs.view(*outputs.shape, *[1] * self.dimensions)

    def _convolved(self, x: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> Tensor:
        padding = self.padding if self.padding_mode == "zeros" else 0
        return type(self).convolve(x, weight, bias, self.stride, padding, self.dilation, groups)

    def _basis_padding(self) -> tuple[list[int], list[int], list[int]]:
        """Padding in basis space: before and after each axis, and its symmetric part where it is symmetric, else 0."""
        nothing = [0] * self.dimensions
        if self.padding_mode != "zeros":
            return nothing, nothing, nothing
        ends = self._pad_sizes()
        before, after = ends[-2::-2], ends[::-2]
        return before, after, before if before == after else nothing

    def _pad_sizes(self) -> list[int]:
        """F.pad's sizes, last axis first."""
        before, after = [], []
        for axis in range(self.dimensions):
            total = self.dilation[axis] * (self.kernel_size[axis] - 1)
            if self.padding == "same":
                before.append(total // 2)
                after.append(total - total // 2)
            else:
                before.append(0 if isinstance(self.padding, str) else self.padding[axis])
                after.append(before[-1])
        return _last_first(before, after)


def _last_first(before: list[int], after: list[int]) -> list[int]:
    return [size for pair in reversed(list(zip(before, after, strict=True))) for size in pair]


class HighOrderConv1d(_HighOrderConv):
    """The high-order nn.Conv1d: x (batch, in, length), weight (out, M, in/groups, k)."""

    dimensions = 1
    convolve = staticmethod(F.conv1d)


class HighOrderConv2d(_HighOrderConv):
    """The high-order nn.Conv2d: x (batch, in, height, width), weight (out, M, in/groups, k, k)."""

    dimensions = 2
    convolve = staticmethod(F.conv2d)


class HighOrderConv3d(_HighOrderConv):
    """The high-order nn.Conv3d: x (batch, in, depth, height, width), weight (out, M, in/groups, k, k, k)."""

    dimensions = 3
    convolve = staticmethod(F.conv3d)
