"""Losses by name, and functions of one's own in their place."""

from collections.abc import Callable, Mapping
from inspect import isclass
from typing import Any

from torch import Tensor, nn

from ..errors import UserError
from ..settings import Config
from ..targets import made, own, parts

Loss = Callable[..., Tensor]
"""(outputs, targets, …) → a scalar."""


class OwnLoss(nn.Module):
    """A loss of one's own: a function of (outputs, targets), or a module, whose buffers are saved with the run."""

    def __init__(self, knob: str, node: str | Config):
        super().__init__()
        target, self._keywords = parts(node)
        self._named = f"{knob}={target}"
        found = own(target, knob)
        self.function: Any = made(node, knob) if isclass(found) else found
        self._keywords = {} if isclass(found) else self._keywords
        if isinstance(self.function, nn.Module) and any(True for _ in self.function.parameters()):
            raise UserError(f"{self._named}: has parameters, which no optimizer trains; make them buffers")

    def forward(self, outputs: Tensor, targets: Tensor, *_: Any) -> Tensor:
        """Give it. Raises UserError unless it is one number, the mean over the batch."""
        loss = self.function(outputs, targets, **self._keywords)
        if not isinstance(loss, Tensor) or loss.ndim:
            gave = f"a tensor {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
            raise UserError(f"{self._named}: gave {gave}; expected a scalar tensor, the mean over the batch")
        return loss


def make_loss(knob: str, node: str | Config, named: Mapping[str, Loss]) -> Loss:
    """Give the loss of this name, or one's own, which the `knob` names."""
    return named[node] if isinstance(node, str) and node in named else OwnLoss(knob, node)
