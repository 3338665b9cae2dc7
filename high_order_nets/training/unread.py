"""Which knobs have no effect on a run: named to whoever typed them, and no reason for one more job of a sweep."""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from .catalogue import GROUPS, conf_dir
from .runs import UNIMPORTANT, deciding

Config = dict[str, Any]

_KNOB = re.compile(r"\$\{(\w+)\}")
SYNAPSE = (
    *("periodicity", "domain", "init", "parameters", "sharing", "base", "alpha"),
    *("input_dropout", "input_noise", "rescale_output", "clamp_weights"),
)
"""Knobs of high-order layers that no file of layer_type/ passes on."""


def _product(config: Config) -> bool:
    return config["layer_type"].get("neuron") == "product"


CONDITIONS: tuple[tuple[tuple[str, ...], str, Callable[[Config], bool]], ...] = (
    (SYNAPSE, "layer_type", lambda config: config["layer_type"]["_target_"] is None),
    (("alpha",), "layer_type", lambda config: not _product(config)),
    (("parameters",), "layer_type", _product),
    (("epochs_per_layer",), "layer_by_layer", lambda config: not config["layer_by_layer"]),
    (("label_smoothing",), "loss", lambda config: config["loss"] == "mse"),
)
"""Knobs that the program itself reads: by which setting, and when, they are left unread."""


def unread(config: Config, composed: str, folders: Iterable[Path] = ()) -> dict[str, str]:
    """Return the knobs that a resolved config does not depend on, with the setting that leaves them unread.

    `composed` is the same config before it was resolved, as YAML: a knob that the files of a group pass on, `${n}`, is
    read where the chosen ones do.
    """
    passed_on = _passed_on(conf_dir()).union(*map(_passed_on, folders))
    left = passed_on - set(_KNOB.findall(composed)) - set(UNIMPORTANT)
    found = {key: _setting(config, "layer_type") for key in left if key in config}
    for keys, reader, holds in CONDITIONS:
        if holds(config):
            found |= {key: _setting(config, reader) for key in keys if key not in found}
    return found


def effective(config: Config, unread_keys: Iterable[str]) -> Config:
    """Return the part of a config that decides over the result, without the knobs that it does not depend on."""
    return {key: value for key, value in deciding(config).items() if key not in set(unread_keys)}


def told(typed: Iterable[str], jobs: Iterable[Mapping[str, str]]) -> list[str]:
    """Name the typed knobs that none of the jobs reads, a line each."""
    per_job = list(jobs)
    return [
        f"{key} is not read by {' or '.join(dict.fromkeys(job[key] for job in per_job))}"
        for key in dict.fromkeys(typed)
        if all(key in job for job in per_job)
    ]


@cache
def _passed_on(folder: Path) -> set[str]:
    files = (file for group in GROUPS for file in (folder / group).glob("*.yaml"))
    return {knob for file in files for knob in _KNOB.findall(file.read_text(encoding="utf-8"))}


def _setting(config: Config, key: str) -> str:
    value = config["choices"].get(key, config.get(key))
    return f"{key}={str(value).lower() if isinstance(value, bool) else value}"
