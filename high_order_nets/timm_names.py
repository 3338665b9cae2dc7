"""timm's networks by their names, and what they take: for those who compose a config, and those who build."""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from inspect import Parameter, signature
from types import FunctionType
from typing import Any, get_type_hints

from .errors import UserError, nearest

PREFIX = "timm/"
BUILDER = "high_order_nets.models.from_timm.timm_model"
_GIVEN = ("num_classes", "in_chans", "img_size", "device", "dtype", "channels", "name")
"""By the run, or under a name that is taken."""


def node(name: str) -> dict[str, Any]:
    """Return what a file of model_name/ would say of a network: its arguments as keys, null for its own defaults."""
    return {"_target_": BUILDER, "name": name, **dict.fromkeys(arguments(name))}


def entry(name: str) -> Callable[..., Any]:
    """Import timm, and give the function that builds a network; UserError where either is not there."""
    try:
        models = import_module("timm.models")
    except ImportError as error:
        rule = 'needs timm; install it by: pip install "high-order-nets[timm]"'
        raise UserError(f"model_name={PREFIX}{name}: {rule}") from error
    if name not in (names := models.list_models()):  # no address of a hub, no file
        hint = nearest(name, names, f"; timm.list_models() names the {len(names)} there are")
        raise UserError(f"model_name={PREFIX}{name}: unknown model{hint}")
    return models.model_entrypoint(name)  # type: ignore[no-any-return]


def arguments(name: str) -> list[str]:
    """Name the arguments that a config may give: those with plain defaults, but what the run decides."""
    found = _parameters(name).values()
    return [each.name for each in found if each.name not in _GIVEN and is_plain(each.default)]


def takes_size(name: str) -> bool:
    """Return whether a network is built for images of one size."""
    return "img_size" in _parameters(name)


@cache
def _parameters(name: str) -> dict[str, Parameter]:
    """Give the parameters of a network's class: that which its function says it gives, or does give."""
    build = entry(name)
    made = get_type_hints(build).get("return") if isinstance(build, FunctionType) else None
    if not isinstance(made, type):
        with import_module("torch").device("meta"):
            made = type(build(pretrained=False))
    return dict(signature(made).parameters)


def is_plain(value: Any) -> bool:
    """Return whether a config can hold a value: null, a number, text, or a list of such."""
    if isinstance(value, tuple | list):
        return all(map(is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)
