"""Transposed convolutions in one, two and three dimensions."""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..basis.synapse import Synapse
from ..kernels.parameters import Inputs, Parameters
from .base import HighOrderLayer
from .conv import Size, check_groups, sizes, written_sizes
from .layer_type import as_synapse


class _HighOrderConvTranspose(HighOrderLayer):
    """y[b, o, q] = Σ_{c, p, k: p·stride + k·dilation - padding = q} f_{c,o,k}(x[b, c, p]) + bias_o.

    weight: (in, M, out/groups, *kernel).

    Takes the keywords of the torch layer it stands for and gives its output shape. synapse is a Synapse, or a layer
    type's name with its options (`"polynomial", n=3, scale=4.0`).
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
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = False,
        dilation: Size = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
        **options: Any,
    ):
        synapse = as_synapse(synapse, options, type(self))
        check_groups(in_channels, out_channels, groups)
        if padding_mode != "zeros":
            raise ValueError(f"padding_mode={padding_mode!r}: transposed convolutions know zeros alone, as torch's do")
        kernel, steps = sizes(kernel_size, self.dimensions), sizes(stride, self.dimensions)
        fan_in = in_channels // groups * math.prod(kernel)
        super().__init__(
            (in_channels, out_channels // groups, *kernel),
            Inputs(in_channels, groups, fan_in, fan_in / math.prod(steps)),
            synapse,
            out_channels if bias or synapse.needs_bias else None,
            device=device,
            dtype=dtype,
        )
        self.in_channels, self.out_channels, self.kernel_size = in_channels, out_channels, kernel
        self.stride, self.dilation = steps, sizes(dilation, self.dimensions)
        self.padding = sizes(padding, self.dimensions)
        self.output_padding = sizes(output_padding, self.dimensions)
        self.groups, self.padding_mode = groups, padding_mode

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """x (batch, in, *space) or (in, *space) → (batch, out, *space') or (out, *space').

        output_size, *space' or all of the shape, chooses among the sizes that a stride leaves open, as in torch.
        """
        if x.dim() == self.dimensions + 1:
            return self.forward(x.unsqueeze(0), output_size).squeeze(0)
        if x.dim() != self.dimensions + 2 or x.shape[1] != self.in_channels:
            expected = f"(batch, {self.in_channels}, *space) with {self.dimensions} axes of space"
            raise ValueError(f"x of shape {tuple(x.shape)}: expected {expected}")
        if output_size is None:
            return self.evaluate(x)
        return _with_output_padding(self, self._padding_for(x, list(output_size))).evaluate(x)

    def _padding_for(self, x: Tensor, output_size: list[int]) -> tuple[int, ...]:
        wanted = output_size[-self.dimensions :]
        padding = []
        for axis, size in enumerate(wanted):
            least = (x.shape[2 + axis] - 1) * self.stride[axis] - 2 * self.padding[axis]
            least += self.dilation[axis] * (self.kernel_size[axis] - 1) + 1
            if not least <= size < least + max(self.stride[axis], self.dilation[axis]):
                raise ValueError(f"output_size={output_size}: axis {axis} can be {least} and up to a stride more")
            padding.append(size - least)
        return tuple(padding)

    def contract(self, features: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
        """Convolve: features (batch, T·in, *space), kernel (in, T, out/groups, *k) → (batch, out, *space')."""
        return self._convolved(features, self._by_feature(kernel), bias, self.groups)

    def contract_gradients(
        self, grad: Tensor, features: Tensor, kernel: Tensor, needed: tuple[bool, bool]
    ) -> tuple[Tensor | None, Tensor | None]:
        """Give the gradients of features and kernel."""
        weight = self._by_feature(kernel)
        features_grad, weight_grad, _ = torch.ops.aten.convolution_backward(
            *(grad, features, weight, None, self.stride, self.padding, self.dilation),
            *(True, self.output_padding, self.groups, [*needed, False]),
        )
        if not needed[1]:
            return features_grad, None
        grouped = weight_grad.unflatten(0, (self.groups, kernel.shape[1], -1))
        return features_grad, grouped.transpose(1, 2).reshape(kernel.shape)

    def _by_feature(self, kernel: Tensor) -> Tensor:
        """(in, T, …) → (groups · T · in/groups, …), the order of the features."""
        return kernel.unflatten(0, (self.groups, -1)).transpose(1, 2).flatten(0, 2)

    def offset(self, p: Parameters, x: Tensor) -> Tensor | None:
        """Sum the constants that reach each place: (1, out, *space')."""
        constants = self.constants(p)
        if constants is None:
            return p.bias
        taps = constants.unflatten(0, (self.groups, -1)).sum(1).flatten(0, 1).unsqueeze(0)  # (1, out, *k)
        plane = self._convolved(taps.new_ones(1, 1, *x.shape[2:]), taps, None, 1)
        return plane if p.bias is None else plane + p.bias.view(-1, *[1] * self.dimensions)

    def neuron_sums(self, constants: Tensor) -> Tensor:
        """(in, out/groups, *k) → (out,): the mean over the places, which a stride gives different numbers of taps."""
        grouped = constants.unflatten(0, (self.inputs.groups, -1))  # (groups, in/groups, out/groups, *k)
        return grouped.sum(1).flatten(0, 1).flatten(1).sum(1) * (self.inputs.reached / self.fan_in)

    def _sizes(self) -> str:
        extra = {"output_padding": self.output_padding} if any(self.output_padding) else {}
        return written_sizes(self, extra)

    @property
    def constants_add_up(self) -> bool:
        """Only where the padding cuts off every place that fewer taps reach."""
        reach = [step * (size - 1) for step, size in zip(self.dilation, self.kernel_size, strict=True)]
        cut = all(padding >= taps for padding, taps in zip(self.padding, reach, strict=True))
        return cut and all(step == 1 for step in self.stride) and not any(self.output_padding)

    def spread(self, values: Tensor) -> Tensor:
        """(rows, in) → (in, rows, 1, 1, …)."""
        return values.T.reshape(*values.T.shape, *[1] * (1 + self.dimensions))

    def _convolved(self, x: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> Tensor:
        options = (self.stride, self.padding, self.output_padding, groups, self.dilation)
        return type(self).convolve(x, weight, bias, *options)


def _with_output_padding(layer: _HighOrderConvTranspose, padding: tuple[int, ...]) -> _HighOrderConvTranspose:
    """Give a view of the layer, with the same parameters, that pads its output differently."""
    view = object.__new__(type(layer))
    view.__dict__ = layer.__dict__ | {"output_padding": padding}
    return view


class HighOrderConvTranspose1d(_HighOrderConvTranspose):
    """The high-order nn.ConvTranspose1d: x (batch, in, length), weight (in, M, out/groups, k)."""

    dimensions = 1
    convolve = staticmethod(F.conv_transpose1d)


class HighOrderConvTranspose2d(_HighOrderConvTranspose):
    """The high-order nn.ConvTranspose2d: x (batch, in, height, width), weight (in, M, out/groups, k, k)."""

    dimensions = 2
    convolve = staticmethod(F.conv_transpose2d)


class HighOrderConvTranspose3d(_HighOrderConvTranspose):
    """The high-order nn.ConvTranspose3d: x (batch, in, depth, height, width), weight (in, M, out/groups, k, k, k)."""

    dimensions = 3
    convolve = staticmethod(F.conv_transpose3d)
