"""Stochastic depth: branches of residual blocks are left out at random (Huang et al., ECCV 2016)."""

from functools import partial
from typing import Any

from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck
from torchvision.ops import StochasticDepth

from ..errors import UserError
from .blocks import PreAct, Residual
from .blocks.residual import Block
from .transformer import Block as TransformerBlock

LAST = {BasicBlock: "bn2", Bottleneck: "bn3"}
"""Of torchvision's blocks: what ends the branch."""
SUMS = (Residual, PreAct, TransformerBlock, *LAST)
"""Blocks that add a branch to what they are given."""


def set_drop_path(net: nn.Module, rate: float) -> None:
    """Let block l of L leave out its branches in training, image by image, with probability l/L · rate, in place.

    What stays is divided by the probability to stay. A network of torchvision that has stochastic depth keeps how it
    grows, with `rate` the largest; where it was turned off it grows evenly. Raises UserError for networks whose blocks
    add no branch.
    """
    if own := [module for module in net.modules() if isinstance(module, StochasticDepth)]:
        largest = max(module.p for module in own)
        for number, module in enumerate(own, 1):
            module.p = rate * (module.p / largest if largest else number / len(own))
        return
    blocks = [module for module in net.modules() if type(module) in SUMS]
    others = [type(module).__name__ for module in net.modules() if isinstance(module, Block) and module not in blocks]
    if others or not blocks:
        what = f"a block of {others[0]} does more than add a branch" if others else "the network has no such blocks"
        raise UserError(f"drop_path={rate:g}: {what}; block=residual, preact, torchvision's and transformers have them")
    for number, block in enumerate(blocks, 1):
        _give(block, StochasticDepth(rate * number / len(blocks), "row"))


def _give(block: nn.Module, drop: StochasticDepth) -> None:
    """Let a block drop its branches; torchvision's have no place for it, so it follows the last norm."""
    block.drop = drop  # type: ignore[assignment]
    if last := LAST.get(type(block)):  # type: ignore[call-overload]
        block.get_submodule(last).register_forward_hook(partial(_dropped, drop))


def _dropped(drop: StochasticDepth, _module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
    return drop(output)
