"""Resolves a `_target_` to a class or function, only inside an allow-list of packages.

The name is refused before anything is imported; what was imported must then lie in the package that its name promises.
Hydra's own block-list is no such boundary.
"""

import re
from collections.abc import Callable
from importlib import import_module
from types import FunctionType
from typing import Any, get_type_hints

from . import allow
from .errors import UserError, nearest, show

BASES = "high_order_nets.basis."
TORCHVISION = "torchvision.models."
RESNETS = "high_order_nets.models.resnet."  # whose builders take the block of block=
LAYER_TYPES = "high_order_nets.layers.structured."  # those that are no basis
# What each part of the config may name. A new library of optimizers or models is one more prefix here.
PREFIXES: dict[str, tuple[str, ...]] = {
    "layer_type": (BASES, LAYER_TYPES),
    "model_name": (TORCHVISION, "high_order_nets.models."),
    "optimizer": ("torch.optim.", "lion_pytorch.", "pytorch_optimizer.", "high_order_nets."),
}
LOSSES = ("loss", "task.loss")
OWN = (*PREFIXES, "dataset", *LOSSES)
"""What may also be code of one's own, and the `callbacks`; see `allow`."""
_WORDS = {
    "layer_type": "a basis or layer type",
    "model_name": "a builder of a network",
    "optimizer": "an optimizer",
    "callbacks": "a callback of pytorch_lightning",
    **dict.fromkeys(LOSSES, "a function or a module"),
}
_KINDS = {
    "layer_type": (f"{BASES}base.Basis", "high_order_nets.layers.layer_type.LayerType"),
    "model_name": ("torch.nn.modules.module.Module",),
    "optimizer": ("torch.optim.optimizer.Optimizer",),
    "callbacks": ("pytorch_lightning.callbacks.callback.Callback",),
    **dict.fromkeys(LOSSES, ("torch.nn.modules.module.Module",)),
}
"""The classes that code of one's own derives from, by their names: who asks need not import them."""
_ANNOTATE = "; expected a class, or a function that says what it gives, -> nn.Module"
_CALLBACK = re.compile(r"callbacks\.\d+")


def check(target: Any, kind: str) -> None:
    """Refuse a target whose name lies outside the packages that a `kind` may come from; import nothing."""
    prefixes = PREFIXES.get(kind, ())
    own = kind in OWN or bool(_CALLBACK.fullmatch(kind))
    if not is_allowed(target, prefixes) and not (own and allow.covers(target)):
        places = " or ".join(prefix + "…" for prefix in prefixes)
        places = places or ("none but yours" if own else "nowhere but in the groups of conf/")
        raise UserError(
            f"{kind}._target_={show(target)}: foreign _target_; allowed: {places}{allow.hint(target) if own else ''}"
        )


def is_allowed(target: Any, prefixes: tuple[str, ...]) -> bool:
    """Return whether the target is a plain dotted name that starts with one of the prefixes."""
    if not isinstance(target, str) or not target.startswith(prefixes):
        return False
    return all(part.isidentifier() and not part.startswith("__") for part in target.split("."))


def is_basis(target: Any) -> bool:
    """Return whether a layer type's target names a basis: what is a layer type of its own lies elsewhere.

    What is one's own is imported for that, where it is allowed.
    """
    if allow.covers(target):
        return _derives(find(target, "layer_type"), f"{BASES}base.Basis")
    return is_allowed(target, (BASES,))


def may_be_basis(target: Any) -> bool:
    """Return whether it may be one, as far as its name tells; import nothing."""
    return allow.covers(target) or is_allowed(target, (BASES,))


def own(target: str, kind: str) -> Any:
    """Import code of one's own; UserError for what is of another kind."""
    found = find(target, kind)
    names = _KINDS.get(_plain(kind))
    if isinstance(found, FunctionType) and kind in LOSSES:
        return found
    builder = isinstance(found, FunctionType) and kind == "model_name"
    if names and not _derives(returned(found) if builder else found, *names):
        said = f"{kind}._target_={target}: not {_word(kind)}"
        raise UserError(f"{said}{_ANNOTATE if kind == 'model_name' else ', which derives from ' + ' or '.join(names)}")
    return found


def parts(node: Any) -> tuple[str, dict[str, Any]]:
    """Part code of one's own that a knob names, as text or with keys, into the target and the keys."""
    if isinstance(node, str):
        return node, {}
    return node["_target_"], {key: value for key, value in node.items() if key != "_target_"}


def find(target: str, kind: str) -> Any:
    """Import what a target names. Raises UserError for what may not be, or is not, in the package of that name."""
    check(target, kind)
    module_name, _, name = target.rpartition(".")
    try:
        module = import_module(module_name)
    except (Exception, SystemExit) as error:  # a module of one's own may fail in any way
        said = str(error) if isinstance(error, ImportError) else f"{type(error).__name__}: {error}"
        raise UserError(f"{kind}._target_={target}: cannot be imported: {said}") from error
    if not hasattr(module, name):
        hint = nearest(name, [each for each in dir(module) if not each.startswith("_")])
        raise UserError(f"{kind}._target_={target}: cannot be imported: {module_name} has no {name}{hint}")
    found = getattr(module, name)
    root = target.partition(".")[0]
    if str(getattr(found, "__module__", "")).partition(".")[0] != root:
        raise UserError(f"{kind}._target_={target}: not {_word(kind)} of {root}")
    return found


def resolve(target: str, kind: str, accepted: type | tuple[type, ...], *, builders: bool = False) -> Callable[..., Any]:
    """Return the class that `target` names, one of the accepted; or, of builders, a function that says it returns one.

    `kind` is the part of the config. Raises UserError for everything else.
    """
    found = find(target, kind)
    made = returned(found) if builders and isinstance(found, FunctionType) else found
    if not isinstance(made, type) or not issubclass(made, accepted):
        raise UserError(f"{kind}._target_={target}: not {_word(kind)} of {target.partition('.')[0]}")
    return found  # type: ignore[no-any-return]


def made(node: Any, kind: str) -> Any:
    """Call code of one's own, a class or a function, with the keys of its node; UserError where it refuses them."""
    target, keys = parts(node)
    try:
        return own(target, kind)(**keys)
    except (TypeError, ValueError) as error:
        raise UserError(f"{kind}={show(node)}: {target}: {error}") from error


def _derives(found: Any, *names: str) -> bool:
    return any(f"{each.__module__}.{each.__qualname__}" in names for each in getattr(found, "__mro__", ()))


def returned(function: FunctionType) -> Any:
    """Return what a function says that it gives; None where it does not say, or names what is not there."""
    try:
        return get_type_hints(function).get("return")
    except NameError:
        return None


def _word(kind: str) -> str:
    return _WORDS.get(_plain(kind), "anything")


def _plain(kind: str) -> str:
    return "callbacks" if _CALLBACK.fullmatch(kind) else kind
