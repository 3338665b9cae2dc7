"""A run's settings: a nested dict, and what in it decides the result."""

from collections.abc import Iterable
from typing import Any


def flat(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested settings to dotted names."""
    settings: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict):
            settings |= flat(value, f"{prefix}{key}.")
        else:
            settings[f"{prefix}{key}"] = value
    return settings


Config = dict[str, Any]


UNIMPORTANT = ("command", "root", "num_workers", "resume", "plots", "checkpoint", "unread")
"""What of a config leaves the result as it is: how it was started, where things are, what is saved, drawn, unread."""


def deciding(config: dict[str, Any], besides: Iterable[str] = ()) -> dict[str, Any]:
    """Return the part of a config that decides over the result, without the knobs that are left out `besides`."""
    return _without(config, {*UNIMPORTANT, "dataset.root", *unread_by(config), *besides})


def unread_by(config: dict[str, Any]) -> tuple[str, ...]:
    """Return the knobs, or groups of them, that a run is on record not to depend on."""
    names = config.get("unread")
    return tuple(map(str, names)) if isinstance(names, list) else ()


def is_unread(config: dict[str, Any], key: str) -> bool:
    """Return whether a run is on record not to depend on the knob."""
    return any(key == name or key.startswith(f"{name}.") for name in unread_by(config))


def both_deciding(one: dict[str, Any], other: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what decides of two configs that are compared: a knob that one does not read makes no difference."""
    return deciding(one, unread_by(other)), deciding(other, unread_by(one))


def _without(config: dict[str, Any], names: set[str], prefix: str = "") -> dict[str, Any]:
    return {
        key: _without(value, names, f"{prefix}{key}.") if isinstance(value, dict) else value
        for key, value in config.items()
        if f"{prefix}{key}" not in names
    }


ABSENT = object()


def at(config: dict[str, Any], key: str) -> Any:
    """Return the value of a knob, dotted names included; ABSENT where the config has none."""
    node: Any = config
    for part in key.split("."):
        node = node.get(part, ABSENT) if isinstance(node, dict) else ABSENT
    return node
