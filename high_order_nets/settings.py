"""A run's settings: a nested dict, and what in it decides the result."""

from collections.abc import Iterable
from typing import Any

from .runs.folder import _without, unread_by


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
