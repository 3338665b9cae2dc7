"""A network as a chain of stages, for training it one stage at a time."""

from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import ResNet

from ..errors import UserError
from .simple import Simple


def split(net: nn.Module, said: str = "layer_by_layer=true") -> tuple[list[nn.Module], nn.Module]:
    """Split a classifier into its stages and its head; the modules are shared, not copied.

    Raises UserError, which begins with what was `said`, for networks other than ResNets and simple.
    """
    if isinstance(net, ResNet):
        stem = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool)
        return [stem, net.layer1, net.layer2, net.layer3, net.layer4], net.fc
    if isinstance(net, Simple):
        return list(net.features.children()), net.fc
    raise UserError(f"{said}: {type(net).__name__} has no stages; ResNets and simple have")


class Staged(nn.Module):
    """A classifier that is trained up to its current stage: the stages before it are frozen.

    Each stage but the last is read out by a linear layer of its own on the mean over the image; the last
    one by the network's head. (batch, channels, height, width) → (batch, classes).
    """

    def __init__(self, net: nn.Module, example: Tensor):
        super().__init__()
        self.net = net
        stages, head = split(net)
        # In containers that register nothing: the parameters are the net's.
        self._stages, self._heads = stages, (head,)
        self.current = len(stages) - 1
        with torch.no_grad():
            widths, x = [], example
            for stage in stages[:-1]:
                x = stage.eval()(x)
                widths.append(_maps(x).shape[1])
        self.read_outs = nn.ModuleList(nn.Linear(width, head.out_features) for width in widths)  # type: ignore[arg-type]
        self.train()

    def get_extra_state(self) -> Tensor:
        """Keep the current stage with the weights."""
        return torch.tensor(self.current)

    def set_extra_state(self, state: Tensor) -> None:
        """Go on with the stage that was saved."""
        self.select(int(state))

    @property
    def count(self) -> int:
        """The number of stages."""
        return len(self._stages)

    def select(self, stage: int) -> None:
        """Train this stage (0-based; beyond the last: the last) and its read-out, and nothing else."""
        self.current = min(stage, self.count - 1)
        for parameter in self.parameters():
            parameter.requires_grad_(False)
        for module in (self._stages[self.current], self._read_out()):
            module.requires_grad_(True)
        self.train(self.training)

    def train(self, mode: bool = True) -> "Staged":
        """Keep the norms of frozen stages as they are."""
        super().train(mode)
        for stage in self._stages[: self.current]:
            stage.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Classify by the read-out of the current stage."""
        for stage in self._stages[: self.current + 1]:
            x = stage(x)
        return self._read_out()(_maps(x).flatten(2).mean(2))

    def _read_out(self) -> nn.Module:
        return self._heads[0] if self.current == self.count - 1 else self.read_outs[self.current]


def _maps(passed: Any) -> Tensor:
    """Give the feature maps of what a stage hands on, which may have more beside them."""
    return passed[0] if isinstance(passed, tuple) else passed


def complete(net: nn.Module) -> nn.Module:
    """Give the network itself of one in stages that has come to its last; every other one as it is."""
    return net.net if isinstance(net, Staged) and net.current == net.count - 1 else net
