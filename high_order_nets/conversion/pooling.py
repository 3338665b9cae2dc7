"""A function a channel between the last block of a ResNet and its mean over the image: where a ReLU was."""

from typing import Any

from torch import nn
from torchvision.models import ResNet

from ..errors import UserError
from ..layers import HighOrder, HighOrderActivation, LayerType


def check_pooling(module: nn.Module, layer_type: LayerType | None) -> None:
    """Refuse a network without such a place, and a layer type that has no functions to put there."""
    if not isinstance(module, ResNet):
        raise UserError(f"pool_function=true: {type(module).__name__} has no last block before a mean; ResNets have")
    if layer_type is not None and not isinstance(layer_type, HighOrder):
        raise UserError(f"pool_function=true: {type(layer_type).__name__} has no functions to put before the pooling")


def add_pool_function(net: Any, layer_type: LayerType | None) -> str | None:
    """Add the functions at the end of the last stage, in place; say what was added. An ordinary network stays."""
    if not isinstance(layer_type, HighOrder):
        return None
    reference = next(net.parameters())
    factory = {"device": reference.device, "dtype": reference.dtype}
    try:
        function = HighOrderActivation(net.fc.in_features, layer_type.synapse, **factory)
    except ValueError as error:
        raise UserError(f"pool_function=true: {error}") from error
    net.layer4.append(function.train(net.training))
    count = sum(parameter.numel() for parameter in function.parameters())
    return f"HighOrderActivation before the pooling, of {count:,} parameters"
