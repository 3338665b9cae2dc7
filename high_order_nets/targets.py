"""Resolves a `_target_` to a class or function, only inside an allow-list of packages.

The name is refused before anything is imported; what was imported must then lie in the package that its name promises.
Hydra's own block-list is no such boundary.
"""

from collections.abc import Callable
from importlib import import_module
from types import FunctionType
from typing import Any, get_type_hints

from .errors import UserError, show

BASES = "high_order_nets.basis."
RESNETS = "high_order_nets.models.resnet."  # whose builders take the block of block=
LAYER_TYPES = "high_order_nets.layers.structured."  # those that are no basis
# What each part of the config may name. A new library of optimizers or models is one more prefix here.
PREFIXES: dict[str, tuple[str, ...]] = {
    "layer_type": (BASES, LAYER_TYPES),
    "model_name": ("torchvision.models.", "high_order_nets.models."),
    "optimizer": ("torch.optim.", "lion_pytorch.", "pytorch_optimizer.", "high_order_nets."),
}
_WORDS = {"layer_type": "a basis or layer type", "model_name": "a builder of a network", "optimizer": "an optimizer"}


def check(target: Any, kind: str) -> None:
    """Refuse a target whose name lies outside the packages that a `kind` may come from; import nothing."""
    prefixes = PREFIXES.get(kind, ())
    if not is_allowed(target, prefixes):
        allowed = " or ".join(prefix + "…" for prefix in prefixes) or "nowhere but in the groups of conf/"
        raise UserError(f"{kind}._target_={show(target)}: foreign _target_; allowed: {allowed}")


def is_allowed(target: Any, prefixes: tuple[str, ...]) -> bool:
    """Return whether the target is a plain dotted name that starts with one of the prefixes."""
    if not isinstance(target, str) or not target.startswith(prefixes):
        return False
    return all(part.isidentifier() and not part.startswith("__") for part in target.split("."))


def is_basis(target: Any) -> bool:
    """Return whether a layer type's target names a basis: what is a layer type of its own lies elsewhere."""
    return is_allowed(target, (BASES,))


def resolve(target: str, kind: str, accepted: type | tuple[type, ...], *, builders: bool = False) -> Callable[..., Any]:
    """Return the class that `target` names, one of the accepted; or, of builders, a function that says it returns one.

    `kind` is the part of the config. Raises UserError for everything else.
    """
    check(target, kind)
    module_name, _, name = target.rpartition(".")
    try:
        found = getattr(import_module(module_name), name)
    except (ImportError, AttributeError) as error:
        raise UserError(f"{kind}._target_={target}: cannot be imported: {error}") from error
    root = target.partition(".")[0]
    defined = str(getattr(found, "__module__", "")).partition(".")[0]
    made = get_type_hints(found).get("return") if builders and isinstance(found, FunctionType) else found
    if defined != root or not isinstance(made, type) or not issubclass(made, accepted):
        raise UserError(f"{kind}._target_={target}: not {_WORDS[kind]} of {root}")
    return found  # type: ignore[no-any-return]
