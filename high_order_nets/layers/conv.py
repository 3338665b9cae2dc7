"""Convolutions in one, two and three dimensions."""

import math
from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from .base import HighOrderLayer, without_autocast
from .synapse import Synapse

PADDING_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "replicate", "circular": "circular"}
"""torch.nn's names of the padding modes → F.pad's."""

Size = int | tuple[int, ...]


class _HighOrderConv(HighOrderLayer):
    """y[b, o, p] = Σ_{c, k} f_{o,c,k}(x[b, c, p·stride + k·dilation - padding]) + bias_o.

    weight: (out, M, in/groups, *kernel).

    Takes the keywords of the torch layer it stands for and gives its output shape. Padding is in basis space: a tap
    outside the image contributes 0, not f(0) (padding_mode="zeros"; the other modes pad x before the basis).
    """

    dimensions: int
    convolve: Callable[..., Tensor]

    def __init__(  # noqa: PLR0913 (torch's own keywords)
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        synapse: Synapse,
        *,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = False,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ):
        self._check(in_channels, out_channels, groups, padding_mode)
        if isinstance(padding, str) and padding not in ("same", "valid"):
            raise ValueError(f"padding={padding!r}: expected a number, same or valid")
        if padding == "same" and any(step != 1 for step in self._sizes(stride)):
            raise ValueError(f"padding='same' with stride={stride}: the size can only stay the same at stride 1")
        kernel = self._sizes(kernel_size)
        super().__init__(
            (out_channels, synapse.weights, in_channels // groups, *kernel),
            in_channels // groups * math.prod(kernel),
            synapse,
            out_channels if bias or synapse.needs_bias else None,
            device=device,
            dtype=dtype,
        )
        self.in_channels, self.out_channels, self.kernel_size = in_channels, out_channels, kernel
        self.stride, self.dilation, self.groups = self._sizes(stride), self._sizes(dilation), groups
        self.padding = padding if isinstance(padding, str) else self._sizes(padding)
        self.padding_mode = padding_mode

    @staticmethod
    def _check(in_channels: int, out_channels: int, groups: int, padding_mode: str) -> None:
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(f"groups={groups}: must divide in_channels={in_channels} and out_channels={out_channels}")
        if padding_mode not in PADDING_MODES:
            raise ValueError(f"padding_mode={padding_mode!r}: expected one of {', '.join(PADDING_MODES)}")

    def _sizes(self, size: Size) -> tuple[int, ...]:
        sizes = (size,) * self.dimensions if isinstance(size, int) else tuple(size)
        if len(sizes) != self.dimensions:
            raise ValueError(f"{size}: expected one number or {self.dimensions} of them")
        return sizes

    def forward(self, x: Tensor) -> Tensor:
        """x (batch, in, *space) or (in, *space) → (batch, out, *space') or (out, *space')."""
        if x.dim() == self.dimensions + 1:
            return self.forward(x.unsqueeze(0)).squeeze(0)
        if self.padding_mode != "zeros":
            x = F.pad(x, self._pad_sizes(), mode=PADDING_MODES[self.padding_mode])
        a0, a = self.coefficients()  # (out, in/groups, *k), (out, G, in/groups, *k)
        grouped = x.unflatten(1, (self.groups, -1))
        features = self.synapse.expand(grouped, dim=2).flatten(1, 3)  # (batch, groups·G·in/groups, *space)
        y = self._contract(features, a.flatten(1, 2), self.groups)
        constant = self._constant(a0, x)
        return y if constant is None else y + constant.to(y.dtype)

    def _constant(self, a0: Tensor | None, x: Tensor) -> Tensor | None:
        """Sum the constants of the taps inside the image: (1, out, *space'), or (1, out, 1, …) without padding."""
        bias = None if self.bias is None else self.bias.view(1, -1, *[1] * self.dimensions)
        if a0 is None:
            return bias
        with without_autocast(x):
            kernel = a0.sum(1, keepdim=True)  # (out, 1, *k)
            if self._pads_basis():
                constant = self._contract(x.new_ones(1, 1, *x.shape[2:], dtype=a0.dtype), kernel, 1)
            else:
                constant = kernel.flatten(1).sum(1).view(1, -1, *[1] * self.dimensions)
        return constant if bias is None else constant + bias

    def _pads_basis(self) -> bool:
        if self.padding_mode != "zeros" or self.padding == "valid":
            return False
        return self.padding == "same" or any(self.padding)  # type: ignore[arg-type]

    def _contract(self, x: Tensor, weight: Tensor, groups: int) -> Tensor:
        padding = self.padding if self.padding_mode == "zeros" else 0
        return type(self).convolve(x, weight, None, self.stride, padding, self.dilation, groups)

    def _pad_sizes(self) -> list[int]:
        """F.pad's sizes, last axis first."""
        sizes: list[int] = []
        for axis in reversed(range(self.dimensions)):
            total = self.dilation[axis] * (self.kernel_size[axis] - 1)
            if self.padding == "same":
                sizes += [total // 2, total - total // 2]
            else:
                sizes += [0, 0] if isinstance(self.padding, str) else [self.padding[axis]] * 2
        return sizes


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
