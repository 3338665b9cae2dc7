"""Blocks of ResNets by name: how two feature maps meet."""

from dataclasses import dataclass, field
from typing import Any

from ...errors import UserError
from .ncp import NCP, Tutorial
from .pdc import PDC
from .pi import Pi
from .polynets import DPoly, RPoly
from .preact import PreAct
from .residual import Block, Place, Residual

BLOCKS: dict[str, type[Block]] = {
    "residual": Residual,
    "pi": Pi,
    "ncp": NCP,
    "ncp_tutorial": Tutorial,
    "rpoly": RPoly,
    "dpoly": DPoly,
    "pdc": PDC,
    "preact": PreAct,
}
"""The blocks by name; the other keys of a file of conf/block/ are their options."""


@dataclass(frozen=True)
class BlockType:
    """A block and its options: `BlockType("pi", {"after": 1})` makes them for a place in a network."""

    name: str = "residual"
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.name not in BLOCKS:
            raise UserError(f"block={self.name}: unknown block; expected one of {', '.join(BLOCKS)}")

    @property
    def cls(self) -> type[Block]:
        """Give the class."""
        return BLOCKS[self.name]

    def make(self, inputs: int, planes: int, stride: int, *, bottleneck: bool, place: Place) -> Block:
        """Make a block: (batch, inputs, …) → (batch, planes, …), of a bottleneck 4 · planes."""
        return self.cls(inputs, planes, stride, bottleneck=bottleneck, place=place, **self.options)
