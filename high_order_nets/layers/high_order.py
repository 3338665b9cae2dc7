"""The layer type of a synapse: functions on the connections of a linear or convolution layer."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from ..basis.synapse import OPTIONS, Synapse
from .base import HighOrderLayer
from .conv import HighOrderConv1d, HighOrderConv2d, HighOrderConv3d
from .conv_transpose import HighOrderConvTranspose1d, HighOrderConvTranspose2d, HighOrderConvTranspose3d
from .layer_type import LayerType
from .low_rank import LowRank
from .product import fully_connected

CONVOLUTIONS: dict[type[nn.Module], type[HighOrderLayer]] = {
    nn.Conv1d: HighOrderConv1d,
    nn.Conv2d: HighOrderConv2d,
    nn.Conv3d: HighOrderConv3d,
}
TRANSPOSED: dict[type[nn.Module], type[HighOrderLayer]] = {
    nn.ConvTranspose1d: HighOrderConvTranspose1d,
    nn.ConvTranspose2d: HighOrderConvTranspose2d,
    nn.ConvTranspose3d: HighOrderConvTranspose3d,
}


CHOICES = (*OPTIONS, "rank")
"""What can be said of such a layer type beside its name."""


@dataclass(frozen=True)
class HighOrder(LayerType):
    """Put a synapse on every connection; fresh weights, no bias.

    The bias goes because constants are in the functions; where they are not, it stays. With a rank a layer gets a
    second function for each channel of those that its connections share. Raises ValueError where they share none.
    """

    synapse: Synapse
    rank: int = 0
    bends = True

    def __post_init__(self) -> None:
        if self.rank < 0:
            raise ValueError(f"rank={self.rank}: expected a whole number of at least 0")
        if self.rank and not self.synapse.shared:
            rule = "a function for every connection has all ranks already; take sharing=channel"
            raise ValueError(f"rank={self.rank}: {rule}")
        if self.rank and self.synapse.neuron == "product":
            raise ValueError(f"rank={self.rank}: product neurons have no sum to add to")

    def replace(self, layer: nn.Module, *, keep_bias: bool = False) -> nn.Module:
        """Make the high-order layer that stands for the layer, with a bias if it has one that is to be kept."""
        bias = layer.bias is not None and (keep_bias or not self.synapse.basis.has_constant)
        main = _like(layer, self.synapse, bias=bias)
        if not self.rank:
            return main
        with _stream_of_its_own():
            return LowRank(main, _like(layer, replace(self.synapse, base=None), outputs=self.rank))

    def unsuited(self, layer: nn.Module) -> str | None:
        """Say so where neurons that multiply meet a convolution, or sharing or rank do not fit the channels."""
        if self.synapse.neuron == "product" and not isinstance(layer, nn.Linear):
            return "product neurons are fully connected"
        channels = layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels
        if isinstance(self.synapse.sharing, int) and channels % self.synapse.sharing:  # type: ignore[operator]
            return f"sharing={self.synapse.sharing} does not divide its {channels} input channels"
        if self.rank % (groups := getattr(layer, "groups", 1)):
            return f"rank={self.rank} is no multiple of its {groups} groups"
        return None


def _like(layer: nn.Module, synapse: Synapse, bias: bool = False, outputs: int | None = None) -> HighOrderLayer:
    """Make the high-order layer of an ordinary one's shape, or of other `outputs`."""
    factory: dict[str, Any] = {"device": layer.weight.device, "dtype": layer.weight.dtype, "bias": bias}  # type: ignore[union-attr]
    if isinstance(layer, nn.Linear):
        return fully_connected(layer.in_features, outputs or layer.out_features, synapse, **factory)
    assert isinstance(layer, (*CONVOLUTIONS, *TRANSPOSED))
    if type(layer) in TRANSPOSED:
        factory["output_padding"] = layer.output_padding
    kind: Any = (CONVOLUTIONS | TRANSPOSED)[type(layer)]
    return kind(  # type: ignore[no-any-return]
        layer.in_channels,
        outputs or layer.out_channels,
        layer.kernel_size,
        synapse,
        stride=layer.stride,
        padding=layer.padding,
        dilation=layer.dilation,
        groups=layer.groups,
        padding_mode=layer.padding_mode,
        **factory,
    )


@contextmanager
def _stream_of_its_own() -> Iterator[None]:
    """Have what is drawn, on the CPU, follow from torch's random state and leave it as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(torch.randint(2**62, (), device="cpu")))
        yield
