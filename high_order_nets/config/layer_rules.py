"""`rules`: the options that layers of some names get, checked as the knobs of these options are."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from .. import allow, targets
from ..errors import UserError, nearest, show
from ..names import DIMENSIONS, layer_name
from ..settings import Config
from . import offered
from .catalogue import everyday_sections, takes_dimensions
from .knobs import check_dimensions, check_value

KIND = "layer_type"
SECTION = "The function on each connection"
"""Of conf/config.yaml, whose knobs are what a rule may say beside another layer type."""


def named(config: Config) -> Config:
    """Return the config with the patterns of its rules as text, for Hydra reads 0 as a number; null is no rules."""
    rules = {} if config["rules"] is None else config["rules"]
    return config | {"rules": {str(p): own for p, own in rules.items()} if isinstance(rules, dict) else rules}


def check(config: Config, reference: Config) -> None:
    """Refuse an option that is no knob of the functions, and a value that its knob would not take."""
    known = [KIND, *(knob.key for knob in everyday_sections()[SECTION])]
    among = f"; its options are {', '.join(known)}"
    for pattern, own in config["rules"].items():
        for key, value in own.items():
            name = f"rules.{pattern}.{key}"
            if key not in known:
                raise UserError(f"{name}={show(value)}: unknown option {key}{nearest(str(key), known, among)}")
            if key != KIND:
                check_value(name, key, value, reference[key])
            elif not isinstance(value, str):
                raise UserError(f"{name}={show(value)}: expected a layer type's name, such as fourier2d")
            else:
                check_dimensions(config, name, value)


def layer_types(rules: Config, folders: Sequence[Path]) -> Config:
    """Return what the files say of the layer types that rules name, by name, their ${references} as they are."""
    asked = {own[KIND]: pattern for pattern, own in rules.items() if KIND in own}
    known = files(folders)
    known |= dimensioned(known)
    known |= {name: offered.node(KIND, layer_name(name).family) for name in asked if allow.covers(name)}
    for name, pattern in asked.items():
        if name not in known:
            raise UserError(f"rules.{pattern}.{KIND}={name}: unknown layer type{nearest(name, known)}")
        if (target := known[name].get("_target_")) is not None:
            targets.check(target, KIND)
    return {name: known[name] for name in asked}


def files(folders: Sequence[Path]) -> dict[str, Config]:
    """Return the content of each file of layer_type/, by its name; of two of one name the first counts."""
    found: dict[str, Config] = {}
    for file in (file for folder in folders for file in (folder / KIND).glob("*.yaml")):
        node: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
        if not isinstance(node, dict):
            raise UserError(f"{file}: expected the keys of a layer type, such as _target_")
        found.setdefault(file.stem, node)
    return found


def dimensioned(nodes: Mapping[str, Config]) -> dict[str, Config]:
    """Return polynomial2d for polynomial, and so on for each layer type whose neurons add."""
    there = {name: node for name, node in nodes.items() if takes_dimensions(node)}
    return {name + dimensions: node for name, node in there.items() for dimensions in DIMENSIONS}
