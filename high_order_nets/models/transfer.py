"""Weights that were there before: what of them fits a network, and what does not."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from ..conversion.patterns import layer_names
from ..errors import SHORT, UserError

log = logging.getLogger(__name__)
COUNTER = "num_batches_tracked"
"""What norms count and older files lack."""


@dataclass(frozen=True)
class Source:
    """Weights to start from, and how they were asked for, which messages begin with.

    With `partial` what does not fit stays as it is; with `new_head` that holds of a classifier's last layer alone.
    """

    said: str
    state: Mapping[str, Tensor]
    partial: bool = False
    new_head: bool = False

    def misfits(self, net: nn.Module) -> dict[str, str]:
        """Say of each tensor, by its name, why it does not fit the network, or what lacks it."""
        own = net.state_dict(keep_vars=True)
        state = _unwrapped(self.state, own)
        there = {id(own[name]) for name in own if name in state}  # of tied ones a single name is enough
        lacking = [name for name, tensor in own.items() if name not in state and id(tensor) not in there]
        pairs = {name: (state[name], own[name]) for name in own if name in state}
        found = {name: f"{name} {_form(a)} there, {_form(b)} here" for name, (a, b) in pairs.items() if not _fits(a, b)}
        found |= {name: f"{name} is not there" for name in lacking if not name.endswith(COUNTER)}
        strange = [name for name in state if name not in own and not _is_interval(name)]
        return found | {name: f"{name} is not in this network" for name in strange}

    def load(self, net: nn.Module) -> None:
        """Give the network the weights that fit; UserError where others may not be left, or numbers are not finite."""
        own = net.state_dict()
        state, misfits = _unwrapped(self.state, own), self.misfits(net)
        fitting = {name: tensor for name, tensor in state.items() if name not in misfits}
        if not any(name in own for name in fitting):
            such = f"such as {next(iter(state), 'none')}"
            raise UserError(f"{self.said}: none of its {len(state)} tensors fits this network, {such}")
        self._check_left(misfits, net, len(own.keys() | state.keys()))
        _check_finite(self.said, fitting, net)
        try:
            net.load_state_dict(fitting, strict=False)
        except (RuntimeError, TypeError, AttributeError) as error:
            raise UserError(f"{self.said}: does not fit this network: {' '.join(str(error).split())}") from error
        left = f"; left new or out: {_listed(misfits)}" if misfits else ""
        log.info("%s: %d of the network's %d tensors taken%s", self.said, len(own.keys() & fitting), len(own), left)

    def _check_left(self, misfits: Mapping[str, str], net: nn.Module, count: int) -> None:
        head = layer_names(net)[-1:] if self.new_head else []
        rest = {name: why for name, why in misfits.items() if name.rpartition(".")[0] not in head}
        if rest and not self.partial:
            advice = "" if self.new_head else "; init_from.partial=true takes the others"
            raise UserError(f"{self.said}: {len(rest)} of {count} tensors do not fit: {_listed(rest)}{advice}")


def _unwrapped(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Take off what wrappers put before all names (`module.`, `_orig_mod.`), where that makes them the network's."""
    bare = state
    while not bare.keys() & own.keys():
        if len({name.partition(".")[0] for name in bare}) != 1 or not all("." in name for name in bare):
            return state
        bare = {name.partition(".")[2]: tensor for name, tensor in bare.items()}
    return bare


def _is_interval(name: str) -> bool:
    """Say whether it is an interval of inputs, which a layer takes over whether it has one or not."""
    return name.rpartition(".")[2] == "interval"


def _fits(given: Tensor, own: Tensor) -> bool:
    alike = given.is_floating_point() == own.is_floating_point() and not given.is_complex()
    return alike and (given.shape, given.layout) == (own.shape, own.layout)


def _form(tensor: Tensor) -> str:
    kind = "" if tensor.is_floating_point() else f" of {str(tensor.dtype).removeprefix('torch.')}"
    return f"{tuple(tensor.shape)}{kind}"


def _listed(misfits: Mapping[str, str]) -> str:
    more = len(misfits) - SHORT
    return ", ".join([*misfits.values()][:SHORT]) + (f" and {more} more" if more > 0 else "")


def _check_finite(said: str, state: Mapping[str, Tensor], net: nn.Module) -> None:
    """Refuse numbers that no training gets over; masks, which are no parameters, may be infinite."""
    parameters = dict(net.named_parameters(remove_duplicate=False))
    for name, tensor in state.items():
        unsound = ~tensor.isfinite() if name in parameters else tensor.isnan()
        if tensor.is_floating_point() and unsound.any():
            raise UserError(f"{said}: {name} holds numbers that are not finite; take weights of before that")
