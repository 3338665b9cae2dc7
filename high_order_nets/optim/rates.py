"""Parts of a network that learn at a rate of their own."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from torch import nn

from .groups import is_of_functions

Group = dict[str, Any]


class Rate(NamedTuple):
    """The peak learning rate of a part, and the part's name."""

    part: str
    value: float


def parted(groups: Sequence[Group], rates: Mapping[nn.Parameter, Rate], functions: float) -> list[Group]:
    """Part each group by the rates of its parameters; of shared functions it is the rate times `functions`.

    Those without a rate of their own keep the group's, and come first. A part of the group `weights` is called
    `weights/layer4`; decay stays that of the group.
    """
    return [part for group in groups for part in _parts(group, rates, functions)]


def _parts(group: Group, rates: Mapping[nn.Parameter, Rate], functions: float) -> Iterator[Group]:
    found: dict[Rate | None, list[nn.Parameter]] = {None: []}
    for parameter in group["params"]:
        found.setdefault(rates.get(parameter), []).append(parameter)
    for rate, params in found.items():
        if rate is None and params:
            yield group | {"params": params}
        elif rate is not None:
            value = rate.value * functions if is_of_functions(group) else rate.value
            yield group | {"params": params, "name": f"{group['name']}/{rate.part}", "lr": value}
