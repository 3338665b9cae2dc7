"""The blocks of conf/block/, and a block that is another one at each place of a network."""

from typing import Any

import torch
import yaml
from torch import Tensor, nn

from high_order_nets.conversion import convert
from high_order_nets.models.blocks import BLOCKS, BlockType
from high_order_nets.models.blocks.residual import Block, Place
from high_order_nets.models.resnet import pinet
from high_order_nets.models.vision import image_classifier
from high_order_nets.paths import conf_dir

NAMES = sorted(file.stem for file in (conf_dir() / "block").glob("*.yaml"))
THERE = dict(BLOCKS)
ALONE = ("dpoly",)
"""Blocks that hand on more than their output."""


def kind(name: str, **options: Any) -> BlockType:
    """Give a block by the name of its file, with other options."""
    node = yaml.safe_load((conf_dir() / "block" / f"{name}.yaml").read_text(encoding="utf-8")) | options
    return BlockType(node.pop("name"), node)


def made(block: BlockType, inputs: int, planes: int, stride: int, *, bottleneck: bool = False, stage: int = 0) -> Any:
    """Make a block whose every parameter and statistic is random, in float64."""
    net = block.make(inputs, planes, stride, bottleneck=bottleneck, place=Place(stage)).double()
    for tensor in (*net.parameters(), *net.buffers()):
        if tensor.is_floating_point():
            tensor.data = torch.rand_like(tensor) + 0.2 if tensor.ndim == 1 else torch.randn_like(tensor) / 2
    return net


def seeded(block: BlockType, layer_type: str | None = None, **options: Any) -> Any:
    """Make a narrow network, converted and narrower still if a layer type is named, from one seed."""
    torch.manual_seed(5)
    options |= {"block": block, "layers": [1, 1, 1, 1]}
    net: Any = image_classifier(pinet, channels=3, classes=4, image_size=16, width=0.25, options=options)
    return convert(net, layer_type, rescale_planes=1.5)[0] if layer_type else net


def step(net: nn.Module) -> Tensor:
    """Take one step of SGD, and give the loss before it."""
    torch.manual_seed(7)
    loss = net(torch.randn(8, 3, 16, 16)).square().mean()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


def same_beside(part: str, net: nn.Module, plain: nn.Module) -> bool:
    """Say whether the states are the same to the bit, but for what the first has under a part's name."""
    there, wanted = net.state_dict(), plain.state_dict()
    shared = {key for key in there if f".{part}." not in key}
    return shared == wanted.keys() and all(torch.equal(there[key], value) for key, value in wanted.items())


class Mixed(Block):
    """The blocks of NAMES in turn, but for those of ALONE."""

    def __init__(self, *sizes: int, bottleneck: bool, place: Place, **of_residual: Any):
        super().__init__()
        del of_residual
        inputs, planes, stride = sizes
        names = [name for name in NAMES if name not in ALONE]
        one = kind(names[place.before % len(names)])
        self.one = THERE[one.name](inputs, planes, stride, bottleneck=bottleneck, place=place, **one.options)

    def forward(self, z: Tensor) -> Tensor:
        """As the one that it is."""
        return self.one(z)

    def reset_parameters(self) -> None:
        """As the one that it is."""
        self.one.reset_parameters()
