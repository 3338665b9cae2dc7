"""Composes the config from conf/ and the command line, and refuses a bad one before anything heavy is imported."""

import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from hydra.errors import HydraException, MissingConfigException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ..errors import UserError
from ..models.names import TORCHVISION
from . import hydra_part, targets
from .catalogue import DIMENSIONS, GROUPS, conf_dir, project_root
from .overrides import ALIASES, Arguments, nearest, quote, search_path
from .rules import check_values, show

LAUNCHERS = ("joblib", "submitit", "ray")  # an extra each
# What composing a bad line or file ends in; OmegaConf asserts where a value is set below null.
REFUSALS = (HydraException, OmegaConfBaseException, yaml.YAMLError, AssertionError)

DEBUG_IMAGES = 16
"""Images a batch under trainer=debug."""

# At import, so that a worker of a launcher, which only unpickles the job, has them too.
OmegaConf.register_new_resolver("project_root", lambda: str(project_root()), replace=True)
OmegaConf.register_new_resolver("unique", lambda: secrets.token_hex(2), use_cache=True, replace=True)


@dataclass(frozen=True)
class Plan:
    """Hold what a command line asks for, checked: each job's config and the folder of the run or of the multirun."""

    jobs: list[dict[str, Any]]
    overrides: list[str]
    run_dir: Path | None = None
    sweep_dir: Path | None = None
    complete: bool = True  # False: a sweeper picks among the jobs


def plan(arguments: Arguments) -> Plan:
    """Compose and check the config of every job that the arguments ask for."""
    with _refusing(), _composer(arguments.groups_dir) as loader:
        return _plan(arguments, loader)


def compose_search(lines: Sequence[str], groups_dir: Path | None) -> dict[str, Any]:
    """Return the settings that `search=NAME search.trials=…` ask for; a file of conf/search/ holds the others."""
    with _refusing(), _composer(groups_dir) as loader:
        overrides = OverridesParser.create(loader).parse_overrides(list(lines))
        names = [override.value() for override in overrides if override.key_or_group == "search"]
        options = _Checker(loader, groups_dir).options("search")
        if len(names) != 1 or names[0] not in options:
            raise UserError(_unknown_choice("search", " ".join(map(show, names)), options))
        paths = [search_path(groups_dir)] if groups_dir else []
        file = compose("config", [f"+search={names[0]}", *paths])
        known = [f"search.{key}" for key in file.search]
        changes = [override for override in overrides if override.key_or_group != "search"]
        for override in changes:
            _check_key(override, known)
        config = compose("config", [f"+search={names[0]}", *paths, *(str(line.input_line) for line in changes)])
        settings: Any = OmegaConf.to_container(config.search, resolve=True)
        return settings


@contextmanager
def _refusing() -> Iterator[None]:
    """Turn what composing a bad line or file ends in into one line."""
    try:
        yield
    except MissingConfigException as error:
        group, _, name = (error.missing_cfg_file or "").rpartition("/")
        raise UserError(_unknown_choice(group, name, error.options or ())) from error
    except REFUSALS as error:
        raise UserError(one_line(error)) from error


def one_line(error: Exception) -> str:
    """Return what Hydra or OmegaConf says, with its cause, on one line."""
    said = [error, error.__cause__] if isinstance(error.__cause__, OmegaConfBaseException) else [error]
    return " ".join(word for part in said for word in str(part).split()) or type(error).__name__


def to_plain(config: DictConfig, choices: Mapping[str, Any]) -> dict[str, Any]:
    """Return the resolved config as plain containers, with the names chosen in each group under `choices`."""
    bare = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    plain: Any = OmegaConf.to_container(bare, resolve=True, throw_on_missing=True)
    return plain | {"choices": {group: choices.get(group) for group in GROUPS}}


def in_force(plain: dict[str, Any]) -> dict[str, Any]:
    """Return what a checked config amounts to: under trainer=debug one epoch and a batch of at most 16 images."""
    if not plain["trainer"].get("debug"):
        return plain
    return plain | {"max_epochs": 1, "batch_size": min(plain["batch_size"], DEBUG_IMAGES)}


@contextmanager
def _composer(groups_dir: Path | None = None) -> Iterator[ConfigLoader]:
    """Open conf/ for composition, with the names that have no file of their own."""
    for folder in [conf_dir(), groups_dir] if groups_dir else [conf_dir()]:
        _register_layer_types(folder / "layer_type")
    _register_models()
    with initialize_config_dir(str(conf_dir()), job_name="high-order-nets", version_base="1.3"):
        yield GlobalHydra.instance().config_loader()


def _register_layer_types(layer_types: Path) -> None:
    """Register polynomial2d beside polynomial, for each layer type whose neurons add."""
    store = ConfigStore.instance()
    for file in layer_types.glob("*.yaml"):
        node = yaml.safe_load(file.read_text(encoding="utf-8"))
        if not isinstance(node, dict):
            raise UserError(f"{file}: expected the keys of a layer type, such as _target_")
        for dimension in DIMENSIONS if node.get("_target_") and "neuron" not in node else ():
            store.store(group="layer_type", name=file.stem + dimension, node=node)


@cache
def _register_models() -> None:
    """Register torchvision's models by their names."""
    for name in TORCHVISION:
        node = {"_target_": f"torchvision.models.{name}"}
        ConfigStore.instance().store(group="model_name", name=name, node=node)


def _plan(arguments: Arguments, loader: ConfigLoader) -> Plan:
    overrides = OverridesParser.create(loader).parse_overrides(list(arguments.overrides))
    for override in overrides:
        if override.is_sweep_override() and not arguments.multirun:
            raise UserError(f"{override.input_line}: several values need the flag -m")
    checker = _Checker(loader, arguments.groups_dir)
    values = {override.get_key_element(): _values(override) for override in overrides}
    first = [lines[0] for lines in values.values()]
    checked = checker.check(first)
    config = checker.compose(first)
    if not arguments.multirun:
        if config.hydra.mode not in (None, RunMode.RUN):
            raise UserError(f"hydra.mode={config.hydra.mode.name}: use the flag -m instead")
        return Plan([checked], list(arguments.overrides), Path(config.hydra.run.dir).expanduser().absolute())
    complete = not arguments.search and config.hydra.sweeper.get("_target_", "").endswith(".BasicSweeper")
    jobs = [checker.check(job) for job in (_product(values, config.hydra.sweeper) if complete else _axes(values))]
    # Pinned, so that whoever started the jobs knows where their results are.
    folder = Path(config.hydra.sweep.dir).expanduser().absolute()
    kept = [line for line in arguments.overrides if not line.startswith("hydra.sweep.dir=")]
    return Plan(jobs, [*kept, f"hydra.sweep.dir={quote(str(folder))}"], None, folder, complete)


def _values(override: Override) -> list[str]:
    """Return the override once for each of its values; of an interval its ends."""
    if not override.is_sweep_override():
        return [str(override.input_line)]
    swept = override.value()
    ends = [swept.start, swept.end] if isinstance(swept, IntervalSweep) else override.sweep_string_iterator()
    return [f"{override.get_key_element()}={value}" for value in ends]


def _product(values: dict[str, list[str]], sweeper: DictConfig) -> list[list[str]]:
    """Return the overrides of each job: all combinations of the values, as Hydra's own sweeper makes them."""
    params = {key: [f"{key}={part}" for part in str(value).split(",")] for key, value in (sweeper.params or {}).items()}
    return [list(job) for job in product(*(params | values).values())]


def _axes(values: dict[str, list[str]]) -> list[list[str]]:
    """Return overrides in which each value occurs once: a sweeper that picks may know too many combinations."""
    first = {key: lines[0] for key, lines in values.items()}
    return [list((first | {key: line}).values()) for key, lines in values.items() for line in lines]


class _Checker:
    """Check jobs one after the other; what they share is composed once."""

    def __init__(self, loader: ConfigLoader, groups_dir: Path | None) -> None:
        self.loader = loader
        self.groups_dir = groups_dir
        self.parser = OverridesParser.create(loader)
        self.names: dict[str, list[str]] = {}
        self.composed: dict[tuple[str, ...], DictConfig] = {}

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """Compose conf/ under the overrides, with Hydra's own part."""
        key = tuple(overrides)
        if key not in self.composed:
            try:
                self.composed[key] = compose("config", list(key), return_hydra_config=True)
            except AttributeError as error:  # from OmegaConf, where a value is set below null in Hydra's part
                raise UserError(one_line(error)) from error
        return self.composed[key]

    def check(self, job: Sequence[str]) -> dict[str, Any]:
        """Return the job's resolved config, or refuse it."""
        overrides = self.parser.parse_overrides(list(job))
        hydra_part.check_overrides(overrides, self.groups_dir)
        paths = [search_path(self.groups_dir)] if self.groups_dir else []
        files = [str(override.input_line) for override in overrides if self.check_choice(override)]
        defaults = self.compose([*files, *paths])
        known = _keys(defaults)
        for override in overrides:
            if not self.is_group(override) and not override.is_hydra_override():
                _check_key(override, known)
        config = self.compose(job)
        _check_targets(config)
        self.check_hydra(overrides, config, paths)
        chosen = config.hydra.runtime.choices
        if chosen["experiment"]:  # it may have set values and keys: compare with the files that it chose
            files = [f"{group}={chosen[group]}" for group in GROUPS if group != "experiment"]
            defaults = self.compose([*files, *paths])
        plain = to_plain(config, chosen)
        check_values(plain, to_plain(defaults, chosen), _keys(defaults))
        return in_force(plain)

    def check_hydra(self, overrides: Sequence[Override], config: DictConfig, paths: list[str]) -> None:
        """Refuse what Hydra's own part may not say."""
        typed = [override for override in overrides if override.is_hydra_override()]
        groups = [str(override.input_line) for override in typed if self.is_group(override)]
        if any(override.key_or_group.startswith(hydra_part.PARTS) for override in typed):
            hydra_part.check_code(config, self.compose(groups))
        if self.groups_dir:
            lines = [str(override.input_line) for override in typed]
            roots = [str(override.input_line) for override in overrides if override.key_or_group == "root"]
            hydra_part.check_files(config, self.compose([*dict.fromkeys([*paths, *lines, *roots])]))
        hydra_part.check_paths(config)

    def options(self, group: str) -> list[str]:
        """Return the names that the group can be set to."""
        if group not in self.names:
            theirs = self.groups_dir if not group.startswith("hydra/") else None
            files = (theirs / group).glob("*.yaml") if theirs else ()
            self.names[group] = [*self.loader.get_group_options(group), *(file.stem for file in files)]
        return self.names[group]

    def is_group(self, override: Override) -> bool:
        """Return whether the override chooses a file of a group."""
        return override.key_or_group in GROUPS or "/" in override.key_or_group

    def check_choice(self, override: Override) -> bool:
        """Return whether the override chooses a file of a group; refuse a name that is not there."""
        if not self.is_group(override):
            return False
        _check_plain(override, list(GROUPS))
        options = self.options(override.key_or_group)
        if override.value() not in options:
            raise UserError(_unknown_choice(override.key_or_group, show(override.value()), options))
        return True


def _unknown_choice(group: str, name: str, options: Collection[str]) -> str:
    if group == "hydra/launcher" and (extra := name.split("_", maxsplit=1)[0]) in LAUNCHERS:
        return f'{group}={name}: not installed; install it by: pip install "high-order-nets[{extra}]"'
    return f"{group}={name}: unknown {group.replace('_', ' ')}{nearest(name, options)}"


def _check_key(override: Override, known: list[str]) -> None:
    _check_plain(override, known)
    key = override.key_or_group
    if key not in known:
        raise UserError(f"{override.input_line}: unknown key {key}{nearest(key, known)}")


def _check_plain(override: Override, known: list[str]) -> None:
    """Refuse +key=value and ~key, other than of Hydra's own part."""
    if override.is_hydra_override() or not (override.is_add() or override.is_force_add() or override.is_delete()):
        return
    line, verb = override.input_line, "removed" if override.is_delete() else "added"
    raise UserError(f"{line}: keys cannot be {verb}{nearest(override.key_or_group, known)}")


def _keys(config: DictConfig) -> list[str]:
    """Return every key that may be set, nested ones with dots."""

    def walk(node: Any, prefix: str) -> Iterator[str]:
        for key, value in node.items():
            yield f"{prefix}{key}"
            if isinstance(value, dict):
                yield from walk(value, f"{prefix}{key}.")

    bare = OmegaConf.to_container(config, resolve=False)
    assert isinstance(bare, dict)
    del bare["hydra"]
    return [*walk(bare, ""), "experiment", *ALIASES]


def _check_targets(config: DictConfig) -> None:
    """Refuse what names code to run, other than a group's own `_target_`."""
    bare = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    for path, name in hydra_part.code(OmegaConf.to_container(bare, resolve=False), ()):
        if path[-1] == "_target_" and (name is not None or path != ("layer_type", "_target_")):
            targets.check(name, ".".join(path[:-1]))
