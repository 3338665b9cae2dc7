"""ResNets that torchvision does not name."""

from typing import Any

from torchvision.models.resnet import BasicBlock, ResNet

from ..conversion.widths import scale_width


def resnet10(**keywords: Any) -> ResNet:
    """Make torchvision's ResNet with one basic block a stage."""
    return ResNet(BasicBlock, [1, 1, 1, 1], **keywords)


def resnet10_small(**keywords: Any) -> ResNet:
    """Make resnet10 at a quarter of its width: 16, 32, 64 and 128 channels."""
    net = resnet10(**keywords)
    scale_width(net, 4, "resnet10_small")
    return net
