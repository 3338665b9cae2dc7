"""A run's settings, a nested dict: its values, what in it decides the result, and what older ones lack."""

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from .errors import show
from .own import splits
from .paths import config_file

log = logging.getLogger(__name__)
Config = dict[str, Any]
DEBUG_EPOCHS, DEBUG_IMAGES = 1, 16
"""What trainer=debug trains: epochs, and images a batch at most."""
WORDS = ("tags", "notes")
"""What someone says of a run."""
UNIMPORTANT = (
    *("command", "root", "num_workers", "resume", "plots", "measure", "predictions", "profile"),
    *("checkpoint", "logger"),
    *(*WORDS, "unread", "allow"),
)
"""What of a config leaves the result as it is: start, places, what is saved, logged, drawn, said, unread, allowed."""
OPEN = "rules"
"""The knob of options by patterns of module names."""
PATTERNS = (OPEN, "learning_rates")
"""The knobs whose keys are patterns, not names: each is one value."""
DOT = "$"
"""What stands for a dot within such a key where Hydra reads it, which would take it for a nest in a nest."""
ABSENT = object()
NEWER: dict[str, Any] = {
    "block.name": "residual",
    "choices.block": "residual",
    "dataset.kind": "images",
    "task.name": "classification",
    "choices.task": "classification",
    "task.headline": "acc",
    "functions.weight_decay": None,
    "align": "none",
    "logger": {"tensorboard": {}},
    "choices.logger": "tensorboard",
    "trainer.num_nodes": "auto",
}
"""Knobs that came after 0.1, with what a run did before; `${knob}` stands for another knob's value.

Those of conf/config.yaml need no line here where their default is what a run did.
"""
NEWER_BLOCK: dict[str, dict[str, Any]] = {
    name: {"block.gate": "none", "block.reduction": 16, "block.funnel": "none", "block.last": True}
    for name in ("residual", "pi")
}
"""The same for keys of one block, by its name."""
NEWER_OPTIMIZER: dict[str, dict[str, Any]] = {
    "torch.optim.LBFGS": {"optimizer.tolerance_grad": 1e-7, "optimizer.tolerance_change": 1e-9},
}
"""And of one optimizer, by its target: torch's own defaults."""
NEWER_DATA: dict[str, dict[str, Any]] = {
    "images": {
        "dataset.split": "official",
        "dataset.augment.mixup": 0.0,
        "dataset.augment.cutmix": 0.0,
        "dataset.augment.mix_probability": 1.0,
        "dataset.augment.mix_until": 1.0,
        "dataset.augment.policy": "none",
        "dataset.augment.policy_ops": 2,
        "dataset.augment.policy_magnitude": 9,
        "dataset.augment.erasing": 0.0,
    }
}
"""And of one kind of data."""
KNOB = re.compile(r"\$\{(\w+)\}")
"""How the value of another knob is written, `${n}`."""


def walk(config: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each key as a dotted name with its value: that of a nest first, then those in it, but for rules."""
    for key, value in config.items():
        yield f"{prefix}{key}", value
        if isinstance(value, dict) and f"{prefix}{key}" not in PATTERNS:
            yield from walk(value, f"{prefix}{key}.")


def flat(config: Config) -> dict[str, Any]:
    """Flatten nested settings to dotted names."""
    return {key: value for key, value in walk(config) if not isinstance(value, dict) or key in PATTERNS}


def at(config: Config, key: str) -> Any:
    """Return the value of a knob, dotted names included; ABSENT where the config has none."""
    node: Any = config
    parts = key.split(".", 1) if key.startswith(PATTERNS) else key.split(".")
    for part in parts:
        node = node.get(part, ABSENT) if isinstance(node, dict) else ABSENT
    return node


def typed(key: str) -> str:
    """Return the name of a knob as it is typed, of the key of one of Hydra's overrides."""
    return key.lstrip("+~").replace(DOT, ".")


def deciding(config: Config, besides: Iterable[str] = ()) -> Config:
    """Return the part of a config that decides over the result, without the knobs that are left out `besides`."""
    said = (*UNIMPORTANT, "choices.logger", "dataset.urls")
    return _without(config, {*said, *places(config), *unread_by(config), *besides})


def places(config: Config) -> tuple[str, ...]:
    """Name the knob of where the data lie, which says nothing about them; a folder of one's own is the data itself."""
    return () if at(config, "dataset.name") == "folder" else ("dataset.root",)


def unread_by(config: Config) -> tuple[str, ...]:
    """Return the knobs, or groups of them, that a run is on record not to depend on."""
    names = config.get("unread")
    return tuple(map(str, names)) if isinstance(names, list) else ()


def is_unread(config: Config, key: str) -> bool:
    """Return whether a run is on record not to depend on the knob."""
    return any(key == name or key.startswith(f"{name}.") for name in unread_by(config))


def both_deciding(one: Config, other: Config) -> tuple[Config, Config]:
    """Return what decides of two configs that are compared: a knob that one does not read makes no difference."""
    return deciding(one, unread_by(other)), deciding(other, unread_by(one))


def own_splits(config: Config) -> frozenset[str]:
    """Return which of train, val and test the data set brings, as far as it is not known to bring all but val.

    Those of one's own images; and of every text all, but of a single file of one's own none.
    """
    dataset = config.get("dataset", {})
    if dataset.get("kind") != "text":
        return splits(dataset)
    whole = dataset.get("path") is None or Path(dataset["path"]).expanduser().is_dir()
    return frozenset(("train", "val", "test") if whole else ())


def has_own_validation(config: Config) -> bool:
    """Return whether the data set brings its validation split."""
    return "val" in own_splits(config)


def has_own_test(config: Config) -> bool:
    """Return whether the data set is known to bring its test split, so that none is made of the training data."""
    return "test" in own_splits(config)


def validates(config: Config) -> bool:
    """Return whether a run has a validation split."""
    return config["val_fraction"] > 0 or has_own_validation(config)


def is_shared_out(config: Config) -> bool:
    """Return whether each process has but a part of the network: trainer=fsdp."""
    return config["trainer"]["strategy"] == "fsdp"


def shares_functions(config: Config) -> bool:
    """Return whether connections share functions: in the layers, or in front of the pooling."""
    return bool(named_in(config, "sharing") != {"synapse"} or config["pool_function"])


def named_in(config: Config, knob: str) -> set[Any]:
    """Return the values of a knob of the functions: its own, and those that rules give it."""
    return {config[knob], *(own[knob] for own in config[OPEN].values() if knob in own)}


def is_debug(config: Config) -> bool:
    """Return whether the run only tries that everything works: trainer=debug."""
    return bool(config["trainer"].get("debug"))


def upgraded(config: Any, where: str = "") -> Any:
    """Return the config of an older version's run with the knobs that it lacks, each as it was before there was one.

    What was added is logged, if it is said `where` the config stands. One that is none of ours is returned as it is.
    """
    if not isinstance(config, dict) or not {"choices", "dataset", "layer_type"} <= config.keys():
        return config
    newer = _flat_defaults() | NEWER | NEWER_OPTIMIZER.get(str(at(config, "optimizer._target_")), {})
    kind, block = at(config, "dataset.kind"), at(config, "block.name")
    newer |= NEWER_DATA.get("images" if kind is ABSENT else str(kind), {})
    newer |= NEWER_BLOCK.get("residual" if block is ABSENT else str(block), {})
    lacking = {key: value for key, value in newer.items() if at(config, key) is ABSENT}
    for key, value in lacking.items():
        knob = KNOB.fullmatch(str(value))
        config = _with(config, key, at(config, knob[1]) if knob else value)
    if lacking and where:
        log.info(
            "%s: of an older version, taken with %s", where, " ".join(f"{k}={show(at(config, k))}" for k in lacking)
        )
    return config


def _without(config: Config, names: set[str], prefix: str = "") -> Config:
    return {
        key: _without(value, names, f"{prefix}{key}.") if isinstance(value, dict) else value
        for key, value in config.items()
        if f"{prefix}{key}" not in names
    }


@cache
def _flat_defaults() -> Config:
    import yaml  # noqa: PLC0415 - completion must not wait for it

    file = yaml.safe_load(config_file().read_text(encoding="utf-8"))
    return flat({key: value for key, value in file.items() if key not in ("defaults", "hydra", "root")})


def _with(config: Config, key: str, value: Any) -> Config:
    """Return the config with a value at a dotted name; the nests on the way are new ones."""
    head, dot, rest = key.partition(".")
    nest = config.get(head)
    return config | {head: _with(nest if isinstance(nest, dict) else {}, rest, value) if dot else value}
