"""Names of the groups that stand in no file: code of one's own, `model_name=mypackage.net.Net`, and timm's networks."""

from collections.abc import Mapping
from inspect import Parameter, isclass, signature
from types import FunctionType
from typing import Any

import yaml
from hydra.core.config_store import ConfigStore

from .. import allow, targets, timm_names
from ..errors import UserError, nearest, show
from ..names import layer_name
from ..paths import conf_dir
from ..settings import Config
from ..timm_names import PREFIX, is_plain

GIVEN: dict[str, tuple[str, ...]] = {
    "model_name": (
        *("channels", "image_size", "num_classes", "normalisation", "vocabulary", "context"),
        *("inputs", "outputs", "output_names", "means", "deviations", "origins", "units"),
        *("layer_type", "block"),
    ),
    "layer_type": (),
    "optimizer": ("params",),
    "dataset": ("seed", "batch_size", "num_workers", "train_fraction", "val_fraction", "precision", "root"),
}
"""Parameters, by group, that are given by the run: what its data offer, the network's weights, flat knobs."""
BESIDES = {
    "optimizer": ("default_learning_rate", "default_weight_decay", "create_graph"),
    "layer_type": ("neuron",),
}
"""Keys of a group that are read by the program, whatever a class takes."""
SIZES = {"n": "${n}", "segments": "${segments}", "length": "${scale}"}
"""Fields of a basis that the flat knobs give."""
RATES = {"lr": "default_learning_rate", "weight_decay": "default_weight_decay"}
"""Parameters of an optimizer whose defaults have keys of other names, for the flat knobs go before them."""
DEFAULTS = {"default_learning_rate": 1e-3, "default_weight_decay": 0.0}
"""What these are where the optimizer says none."""
KINDS = {"ImageData": "images", "Points": "points"}
"""What data of one's own are, by what their function says that it gives."""


def offer(group: str, name: str) -> bool:
    """Put a name into Hydra's store where it stands for code of one's own, or of timm; return whether it does."""
    if group == "model_name" and name.startswith(PREFIX):
        store(f"{group}/timm", name.removeprefix(PREFIX), timm_names.node(name.removeprefix(PREFIX)))
    elif group in GIVEN and allow.covers(name):
        store(group, name, node(group, layer_name(name).family if group == "layer_type" else name))
    else:
        return False
    return True


def store(group: str, name: str, node: Any) -> None:
    """Give a group this name beside its files."""
    ConfigStore.instance().store(group=group, name=name, node=node, package=group.partition("/")[0])


def node(group: str, target: str) -> dict[str, Any]:
    """Return what a file would say of code of one's own: its parameters, with plain defaults, as keys."""
    found = targets.own(target, group)
    keys = {key: _default(each) for key, each in _own(group, found).items() if is_plain(_default(each))}
    if group == "dataset":
        return _data(target, found, keys)
    if group == "optimizer":
        rates = {name: keys.pop(key, None) for key, name in RATES.items()}
        keys = {name: DEFAULTS[name] if rate is None else rate for name, rate in rates.items()} | keys
    if group == "layer_type":
        keys = {key: SIZES.get(key, value) for key, value in keys.items()}
    return {"_target_": target, **keys}


def check(group: str, config: Config) -> None:
    """Refuse keys that one's own code does not take, and those that it needs and nobody gives."""
    target = config["_target_"]
    found = targets.own(target, group)
    parameters = _parameters(found)
    known = [*_own(group, found)]
    if _takes_any(found):
        known += config.keys()
    if group == "dataset":
        known += _of_kind(config.get("kind", "images"))
    for key in config.keys() - {"_target_", *BESIDES.get(group, ())}:
        if key not in known:
            hint = nearest(key, known, f"; it takes {', '.join(known) or 'none'}")
            raise UserError(f"{group}.{key}={show(config[key])}: {target} takes no {key}{hint}")
    for key in known:
        needed = key in parameters and parameters[key].default is Parameter.empty and config.get(key) is None
        if needed and (group, key) != ("optimizer", "lr"):
            raise UserError(f"{group}.{key}: {target} needs it; add {group}.{key}=…")


def check_called(knob: str, value: Any, arguments: int) -> None:
    """Refuse code of one's own that cannot be called with as many arguments, and with its keys."""
    target, keys = targets.parts(value)
    found: Any = targets.own(target, knob)
    given = [None] * arguments
    try:
        signature(found).bind(*([] if isclass(found) else given), **keys)
        if isclass(found) and arguments:
            forward: Any = getattr(found, "forward", None)
            signature(forward).bind(None, *given)
    except TypeError as error:
        raise UserError(f"{knob}={show(value)}: {target} cannot be called so: {error}") from error


def _parameters(found: Any) -> Mapping[str, Parameter]:
    several = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    return {key: each for key, each in signature(found).parameters.items() if each.kind not in several}


def _own(group: str, found: Any) -> dict[str, Parameter]:
    """Give the parameters that are for the config to say."""
    parameters = _parameters(found)
    made = ("norm", "activation") if "layer_type" in parameters else ()  # given to networks that make their layers
    return {key: each for key, each in parameters.items() if key not in (*GIVEN[group], *made)}


def _of_kind(kind: str) -> list[str]:
    """Name the keys that all data of a kind have."""
    file = conf_dir() / f"dataset/base/{kind}.yaml"
    return [*(yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else ()), "name", "kind"]


def _takes_any(found: Any) -> bool:
    return any(each.kind is Parameter.VAR_KEYWORD for each in signature(found).parameters.values())


def _default(parameter: Parameter) -> Any:
    default = None if parameter.default is Parameter.empty else parameter.default
    return list(default) if isinstance(default, tuple) else default


def _data(target: str, found: Any, keys: Config) -> Config:
    kind = _kind(target, found)
    others = [{"override /task@_global_.task": "regression"}] if kind == "points" else []
    others += [{"override /model_name@_global_.model_name": "high_order_mlp"}] if kind == "points" else []
    named = {"name": target.rpartition(".")[2], "_target_": target}
    return {"defaults": [f"base/{kind}@_here_", *others, "_self_"], **named, **keys}


def _kind(target: str, found: Any) -> str:
    made = targets.returned(found) if isinstance(found, FunctionType) else found
    kind = KINDS.get(getattr(made, "__name__", ""), getattr(made, "kind", None))
    if kind not in (*KINDS.values(), "text"):
        rule = "expected a function that says what it gives, -> ImageData or -> Points, or a Data class with its kind"
        raise UserError(f"dataset={target}: {rule}")
    return str(kind)
