"""ResNets that torchvision does not name, of any block."""

from collections.abc import Sequence
from typing import Any

from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from ..conversion.widths import scale_width
from .blocks import BlockType
from .blocks.residual import Block, Place

PLANES = (64, 128, 256, 512)
"""Channels of torchvision's four stages."""
STARTS = ("kaiming", "torch")
"""How convolutions begin."""


class BlockNet(ResNet):
    """torchvision's ResNet of other blocks: layers blocks of planes channels in each of its four stages.

    Beside the blocks and `fc`, whose sizes follow them, all is as there, names and initial weights too.
    """

    def __init__(
        self,
        block: BlockType,
        layers: Sequence[int],
        num_classes: int,
        planes: Sequence[int] = PLANES,
        bottleneck: bool = False,
        start: str = "kaiming",
    ):
        self.start = start
        self.block, self.planes, self.bottleneck = block, tuple(planes), bottleneck
        super().__init__(Bottleneck if bottleneck else BasicBlock, list(layers), num_classes)
        if self.fc.in_features != self.inplanes:
            self.fc = nn.Linear(self.inplanes, num_classes)
        if not block.cls.activated or block.cls.preactivated:
            self.relu = nn.Identity()
        if block.cls.preactivated:
            self.bn1 = nn.Identity()
        self.reset_parameters()

    def _make_layer(self, block: Any, planes: int, blocks: int, stride: int = 1, dilate: bool = False) -> nn.Sequential:
        """Make a stage; called by torchvision, for its own block and planes."""
        del block, dilate
        stage = PLANES.index(planes)
        if stage == 0 and self.planes[0] != self.inplanes:  # the stem too is as wide as the first stage
            self.inplanes = self.planes[0]
            self.conv1 = nn.Conv2d(3, self.inplanes, 7, 2, padding=3, bias=False)
            self.bn1 = nn.BatchNorm2d(self.inplanes)
        before = sum(isinstance(module, Block) for module in self.modules())
        made: list[nn.Module] = []
        for index in range(blocks):
            new = self.block.make(
                self.inplanes,
                self.planes[stage],
                1 if index else stride,
                bottleneck=self.bottleneck,
                place=Place(stage, before + index, last=stage == 3 and index == blocks - 1),
            )
            made.append(new)
            self.inplanes = self.planes[stage] * (4 if self.bottleneck else 1)
        return nn.Sequential(*made, *self.block.cls.tail(stage, self.inplanes))

    def reset_parameters(self) -> None:
        """Let the blocks change what was drawn for their layers; again where those were made anew."""
        for module in self.modules():
            if self.start == "torch" and isinstance(module, nn.Conv2d):
                module.reset_parameters()
            if isinstance(module, Block):
                module.reset_parameters()


def resnet10(num_classes: int = 1000, block: BlockType | None = None) -> ResNet:
    """Make a ResNet with one basic block a stage."""
    return BlockNet(block or BlockType(), [1, 1, 1, 1], num_classes)


def resnet10_small(num_classes: int = 1000, block: BlockType | None = None) -> ResNet:
    """Make resnet10 at a quarter of its width: 16, 32, 64 and 128 channels."""
    net = resnet10(num_classes, block)
    scale_width(net, 4, "resnet10_small")
    return net


def pinet(
    num_classes: int = 1000,
    block: BlockType | None = None,
    layers: Sequence[int] = (2, 2, 1, 1),
    planes: Sequence[int] = PLANES,
    bottleneck: bool = False,
    start: str = "kaiming",
) -> ResNet:
    """Make a ResNet of any depth and width, by default the shallower of Deep Polynomial Neural Networks, Table 5.

    start: how convolutions are drawn, `kaiming` as torchvision's ResNets draw them, with the variance 2/fan_out, or
    `torch` as the layers by themselves, with a sixth of 2/fan_in.
    """
    return BlockNet(block or BlockType(), layers, num_classes, planes, bottleneck, start)
