"""What `scale=auto` and `align=auto` stand for, written out in a resolved config."""

from ..names import automatic_length
from ..settings import Config, at
from .rules import is_whole

AUTO = "auto"
TAKERS = (("layer_type", "length"), ("dataset", "interval"))
"""Keys of groups whose files take them from `scale`."""


def settled(config: Config) -> Config:
    """Write out the length of the interval, wherever it is taken from `scale`, and what aligns it.

    `scale` itself stays auto. Nothing has been checked yet.
    """
    automatic = config["scale"] == AUTO
    if config["align"] == AUTO:
        config = config | {"align": "layer" if automatic else "none"}
    for group, key in TAKERS:
        if automatic and at(config, f"{group}.{key}") == AUTO:
            config = config | {group: config[group] | {key: _length(config)}}
    return config


def _length(config: Config) -> float:
    sizes = (config["layer_type"].get(key) for key in ("n", "segments"))
    return automatic_length(*(size if is_whole(size) else None for size in sizes))
