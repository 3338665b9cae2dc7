"""Which parts of a network stay as they are, and which learn at a rate of their own."""

from collections.abc import Iterator, Sequence

import torch
from torch import nn

from ..conversion.counting import count_parameters
from ..conversion.patterns import meant
from ..errors import UserError
from ..layers import HighOrderLayer
from ..models.stages import split
from ..optim.factory import peak_rate
from ..optim.rates import Rate
from ..settings import Config


class Frozen:
    """Parts of a network that are not trained: they compute as in evaluation, norms with the statistics they have.

    All by name, since layers may be replaced by finer ones. Raises UserError for a pattern of nothing, and where
    nothing is left to train.
    """

    def __init__(self, net: nn.Module, patterns: Sequence[str]):
        found = [meant(f"freeze={pattern}", pattern, net) for pattern in patterns]
        self._modules = frozenset().union(*(modules for modules, _ in found))
        self._parameters = frozenset().union(*(parameters for _, parameters in found))
        self.thawed = False
        parameters = dict(net.named_parameters())
        if parameters.keys() <= self._parameters:
            raise UserError(f"freeze=[{','.join(patterns)}]: leaves nothing to train; freeze less")
        kept = sum(parameters[name].numel() for name in self._parameters & parameters.keys())
        of_all = f"{kept:,} of {count_parameters(net):,} parameters are not trained"
        self.said = f"freeze=[{','.join(patterns)}]: {of_all}, and norms among them keep their statistics"

    def apply(self, net: nn.Module) -> None:
        """Leave the parts out of training, or train them too once they are thawed."""
        for name, parameter in net.named_parameters():
            if name in self._parameters:
                parameter.requires_grad_(self.thawed)
        self.settle(net)

    def settle(self, net: nn.Module) -> None:
        """Have the parts compute as in evaluation, whatever mode the network is in."""
        for name, module in () if self.thawed else net.named_modules():
            if name in self._modules:
                module.training = False


def frozen(net: nn.Module, config: Config) -> Frozen | None:
    """Freeze the parts that a config names; None where it names none."""
    patterns = [config["freeze"]] if isinstance(config["freeze"], str) else config["freeze"]
    if not patterns:
        return None
    found = Frozen(net, patterns)
    found.apply(net)
    return found


@torch.no_grad()
def clamp_weights(net: nn.Module, bound: float) -> None:
    """Keep every weight of the high-order layers that are trained in [-bound, bound]."""
    for module in net.modules():
        weight = module.weight if isinstance(module, HighOrderLayer) else None
        if isinstance(weight, nn.Parameter) and weight.requires_grad:
            weight.clamp_(-bound, bound)


def rates(net: nn.Module, config: Config) -> dict[str, Rate]:
    """Give the learning rates of parts by their parameters' names; those of patterns go before those of stages."""
    found = dict(_of_stages(net, config)) if config["stage_lr"] != 1 else {}
    for pattern, value in config["learning_rates"].items():
        found |= dict.fromkeys(meant(f"learning_rate.{pattern}", pattern, net)[1], Rate(pattern, value))
    return found


def _of_stages(net: nn.Module, config: Config) -> Iterator[tuple[str, Rate]]:
    """Yield the rates of the stages in front of the head, each a part of that of the one behind it."""
    stages, _ = split(net, f"stage_lr={config['stage_lr']}")
    names = {parameter: name for name, parameter in net.named_parameters()}
    for distance, stage in enumerate(reversed(stages), 1):
        rate = Rate(f"stage{len(stages) - distance}", peak_rate(config) * config["stage_lr"] ** distance)
        yield from ((names[parameter], rate) for parameter in stage.parameters())
