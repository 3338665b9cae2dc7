"""weights="keep": what is swapped begins as what it replaces."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from torch import nn

from ..basis.synapse import MEASURED, SHARING
from ..errors import UserError
from ..layers import HighOrderLayer, LowRank
from ..layers.start import Start
from .flow import Flow
from .report import Kept, Likeness

POOLING = "avgpool"
"""What a ResNet calls where a function before the pooling gets its input."""
EXAMPLES = {"layer": (0.0, 0.7), "channel": (0.3, 0.7)}
"""Centre and factor of an interval as `align` may measure it: what is exact in one is exact in all."""


class StandIn(NamedTuple):
    """A new module, the layer of functions that it is or holds, and the ordinary one in whose place it stands."""

    module: nn.Module
    layer: HighOrderLayer
    ordinary: nn.Module


class Keeping:
    """The layers that are to begin as ordinary ones, and the activations that their functions take over."""

    def __init__(self, net: nn.Module):
        self.likeness: tuple[Likeness, ...] = ()
        self.lost: tuple[Kept, ...] = ()
        self._flow = Flow(net)
        self._new: dict[str, StandIn] = {}
        self._taken: dict[str, nn.Module] = {}

    def add(self, name: str, new: nn.Module, ordinary: nn.Module) -> None:
        """Note a layer that was replaced; the ordinary one is nobody else's."""
        layer = new.main if isinstance(new, LowRank) else new
        assert isinstance(layer, HighOrderLayer)
        _check_aligned(name, layer)
        self._new[name] = StandIn(new, layer, ordinary)

    def add_pool_function(self, net: Any) -> None:
        """Note the functions at the end of a ResNet's last stage, which stand for no layer."""
        self.add(POOLING, net.layer4[-1], nn.Identity())

    def take_over(self, activations: dict[str, nn.Module], exactly: bool) -> dict[str, str]:
        """Take activations out, for functions behind them to take over; say which stay instead, and why.

        Those stay, if it is to be exact, that nothing can take over exactly; else none.
        """
        layers = list(self._new)
        stays = self._flow.stays(activations, layers, self._holds) if exactly else {}
        self._taken = {name: module for name, module in activations.items() if name not in stays}
        taking = {layer for layer in layers if self._flow.before(layer, self._taken)}
        lost = {name: why for name in self._taken if (why := self._flow.lost(name, taking, layers))}
        self.lost = tuple(Kept(name, type(self._taken[name]).__name__, why) for name, why in lost.items())
        return stays

    def begin(self) -> None:
        """Give every layer its functions, and measure how alike it is."""
        starts = {name: Start(new.ordinary, self._flow.before(name, self._taken)) for name, new in self._new.items()}
        self.likeness = tuple(self._begun(name, start, self._new[name]) for name, start in starts.items())

    def _begun(self, name: str, start: Start, new: StandIn) -> Likeness:
        layer = new.layer
        with _as_aligned(layer):
            start.write(layer)
            error = start.error(layer, new.module)
            likeness = Likeness(name, error, start.obstacle(layer) if error > start.slack(layer) else "")
        if layer.synapse.align in MEASURED:
            start.write(layer)
            layer.start = start
        return likeness

    def _holds(self, name: str, activation: nn.Module) -> bool:
        new = self._new[name]
        with _as_aligned(new.layer):
            return Start(new.ordinary, activation).holds(new.layer)


@contextmanager
def _as_aligned(layer: HighOrderLayer) -> Iterator[None]:
    """Let a layer that is still to be aligned have an example of an interval."""
    if layer.synapse.align in MEASURED:
        example = layer.weight.new_tensor(EXAMPLES[layer.synapse.align])
        layer.interval = example[:, None].expand(-1, layer.inputs.channels)
    yield
    layer.interval = None


def _check_aligned(name: str, layer: HighOrderLayer) -> None:
    """Refuse intervals of channels where functions cannot take up their centres."""
    synapse = layer.synapse
    if synapse.align != "channel":
        return
    if synapse.shared and synapse.sharing not in SHARING:
        advice = f"sharing={synapse.sharing} has one function for channels of other centres; take sharing=channel"
    elif not synapse.basis.has_constant:
        advice = f"{type(synapse.basis).__name__} has no constants; take another layer type"
    elif synapse.needs_bias and not layer.constants_add_up:
        advice = "its padding leaves out constants; take parameters=nodal"
    else:
        return
    raise UserError(f"align=channel: weights=keep cannot keep {name}: {advice} or align=layer")
