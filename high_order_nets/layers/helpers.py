"""Layers by the name of their type, with the seed's keywords."""

from typing import Any

from ..basis import Basis
from ..basis.synapse import OPTIONS
from ..names import DIMENSIONS, layer_name
from . import high_order
from .base import HighOrderLayer
from .keywords import check_keywords
from .layer_type import families, make_synapse
from .product import fully_connected

Classes = dict[str, type[HighOrderLayer]]
CONVOLUTIONS: Classes = dict(zip(DIMENSIONS, high_order.CONVOLUTIONS.values(), strict=True))
TRANSPOSED: Classes = dict(zip(DIMENSIONS, high_order.TRANSPOSED.values(), strict=True))
_OWN = ("bias", "device", "dtype")
_OWN_CONVOLUTION = (*_OWN, "stride", "padding", "dilation", "groups", "padding_mode", "output_padding")


def convolution_layers() -> tuple[str, ...]:
    """Name the convolution layer types."""
    return tuple(f"{name}{dimensions}" for name in Basis.registry for dimensions in CONVOLUTIONS)


def high_order_fc_layers(layer_type: str, *, in_features: int, out_features: int, **options: Any) -> HighOrderLayer:
    """Make a fully connected layer of a type in `families()`: x (…, in_features) → (…, out_features).

    options: n=3, segments=1, scale=2, alpha=1, periodicity, rescale_output, domain="extrapolate" and the other fields
    of Synapse, whether the type uses them or not; bias, device and dtype of the layer.
    Raises ValueError for an unknown type and TypeError for an unknown option.
    """
    if layer_type not in families():
        raise ValueError(f"layer_type={layer_type!r}: expected one of {', '.join(families())}")
    own = {key: options.pop(key) for key in _OWN if key in options}
    check_keywords(high_order_fc_layers, options, (*OPTIONS, *_OWN))
    own = {"bias": layer_type == "product"} | own
    return fully_connected(in_features, out_features, make_synapse(layer_type, **options), **own)


def high_order_convolution_layers(
    layer_type: str, *, in_channels: int, out_channels: int, kernel_size: int | tuple[int, ...], **options: Any
) -> HighOrderLayer:
    """Make a convolution of a type in `convolution_layers()`: (batch, in, *space) → (batch, out, *space').

    options as for `high_order_fc_layers`, and those of torch's convolutions: stride, padding, dilation, groups, bias,
    padding_mode, device and dtype. Raises ValueError for an unknown type and TypeError for an unknown option.
    """
    return _convolution(CONVOLUTIONS, layer_type, in_channels, out_channels, kernel_size, options)


def high_order_convolution_transpose_layers(
    layer_type: str, *, in_channels: int, out_channels: int, kernel_size: int | tuple[int, ...], **options: Any
) -> HighOrderLayer:
    """Make a transposed convolution of a type in `convolution_layers()`, with output_padding among its options."""
    return _convolution(TRANSPOSED, layer_type, in_channels, out_channels, kernel_size, options)


def _convolution(
    classes: Classes,
    layer_type: str,
    in_channels: int,
    out_channels: int,
    kernel_size: int | tuple[int, ...],
    options: dict[str, Any],
) -> HighOrderLayer:
    if layer_type not in convolution_layers():
        raise ValueError(f"layer_type={layer_type!r}: expected one of {', '.join(convolution_layers())}")
    own = {key: options.pop(key) for key in _OWN_CONVOLUTION if key in options}
    helper = high_order_convolution_layers if classes is CONVOLUTIONS else high_order_convolution_transpose_layers
    check_keywords(helper, options, (*OPTIONS, *_OWN_CONVOLUTION))
    synapse = make_synapse(layer_type, **options)
    return classes[layer_name(layer_type).dimensions](in_channels, out_channels, kernel_size, synapse, **own)  # type: ignore[arg-type]
