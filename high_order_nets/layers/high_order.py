"""The layer type of a synapse: functions on the connections of a linear or convolution layer."""

from dataclasses import dataclass
from typing import Any

from torch import nn

from ..basis.synapse import Synapse
from .base import HighOrderLayer
from .conv import HighOrderConv1d, HighOrderConv2d, HighOrderConv3d
from .conv_transpose import HighOrderConvTranspose1d, HighOrderConvTranspose2d, HighOrderConvTranspose3d
from .layer_type import LayerType
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


@dataclass(frozen=True)
class HighOrder(LayerType):
    """Put a synapse on every connection; fresh weights, no bias.

    The bias goes because constants are in the functions; where they are not, it stays.
    """

    synapse: Synapse
    bends = True

    def replace(self, layer: nn.Module) -> nn.Module:
        """Make the high-order layer that stands for the layer."""
        synapse = self.synapse
        factory: dict[str, Any] = {"device": layer.weight.device, "dtype": layer.weight.dtype}  # type: ignore[union-attr]
        bias = layer.bias is not None and not synapse.basis.has_constant
        if isinstance(layer, nn.Linear):
            return fully_connected(layer.in_features, layer.out_features, synapse, bias=bias, **factory)
        assert isinstance(layer, (*CONVOLUTIONS, *TRANSPOSED))
        if type(layer) in TRANSPOSED:
            factory["output_padding"] = layer.output_padding
        kind: Any = (CONVOLUTIONS | TRANSPOSED)[type(layer)]
        return kind(  # type: ignore[no-any-return]
            layer.in_channels,
            layer.out_channels,
            layer.kernel_size,
            synapse,
            stride=layer.stride,
            padding=layer.padding,
            dilation=layer.dilation,
            groups=layer.groups,
            bias=bias,
            padding_mode=layer.padding_mode,
            **factory,
        )

    def unsuited(self, layer: nn.Module) -> str | None:
        """Say so where neurons that multiply meet a convolution, or a sharing does not fit the channels."""
        if self.synapse.neuron == "product" and not isinstance(layer, nn.Linear):
            return "product neurons are fully connected"
        channels = layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels
        if isinstance(self.synapse.sharing, int) and channels % self.synapse.sharing:  # type: ignore[operator]
            return f"sharing={self.synapse.sharing} does not divide its {channels} input channels"
        return None
