"""Checks jobs one after the other, before anything heavy is imported: names, keys, values, code."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from .. import allow, targets, unread
from ..errors import UserError, expected, nearest, show, twin
from ..paths import conf_dir
from ..settings import DEBUG_EPOCHS, DEBUG_IMAGES, PATTERNS, Config, at, deciding, is_debug, walk
from . import guard, layer_rules, offered, tuning
from .automatic import settled
from .catalogue import GROUPS, SEVERAL
from .growing import grown
from .knobs import check_values
from .overrides import ALIASES, RENAMED, search_path
from .own_code import names_code

HELP = "; high-order-nets train --help lists them"
LAUNCHERS = ("joblib", "submitit", "ray")  # an extra each


def one_line(error: Exception) -> str:
    """Return what Hydra or OmegaConf says, with its cause, on one line."""
    said = [error, error.__cause__] if isinstance(error.__cause__, OmegaConfBaseException) else [error]
    return " ".join(word for part in said for word in str(part).split()) or type(error).__name__


def to_plain(config: DictConfig, choices: Mapping[str, Any]) -> Config:
    """Return the resolved config as plain containers, with the names chosen in each group under `choices`.

    Refinements that are planned by where they end are written out, and what auto says of intervals.
    """
    plain: Any = OmegaConf.to_container(_own(config), resolve=True, throw_on_missing=True)
    named = tuning.named(layer_rules.named(plain)) | {"logger": plain.get("logger", {})}
    chosen = {group: choices.get(group) for group in GROUPS} | {"logger": "+".join(named["logger"]) or "none"}
    return settled(grown(named | {"choices": chosen}))


def in_force(plain: Config) -> Config:
    """Return what a checked config amounts to: under trainer=debug one epoch and a batch of at most 16 images."""
    if not is_debug(plain):
        return plain
    few = {key: min(plain[key], DEBUG_IMAGES) for key in ("batch_size", "accumulate")}
    return plain | {"max_epochs": DEBUG_EPOCHS} | few


def recorded(plain: Config, composed: DictConfig, folders: Sequence[Path] = ()) -> Config:
    """Return what a checked config amounts to, with what it does not say itself.

    That are the layer types that its rules name, from conf/ and the other `folders` of groups, under `layer_types`, the
    names of the knobs that it does not read under `unread`, and what was allowed, if anything, under `allow`.
    """
    config, text = _completed(in_force(plain), composed, folders)
    asked = {"allow": list(allow.allowed())} if allow.allowed() else {}
    return config | {"unread": unread.record(config, text)} | asked


def _completed(plain: Config, composed: DictConfig, folders: Sequence[Path]) -> tuple[Config, str]:
    """Return the config with the layer types that rules name, and all as text, the ${references} unresolved."""
    bare: Any = OmegaConf.to_container(_own(composed), resolve=False)
    named = layer_rules.layer_types(plain["rules"], [conf_dir(), *folders])
    if not named:
        return plain, str(bare)
    bare["layer_types"] = named
    types = OmegaConf.to_container(OmegaConf.create(bare).layer_types, resolve=True)
    return plain | {"layer_types": types}, str(bare)


def _own(config: DictConfig) -> DictConfig:
    """Leave out Hydra's part."""
    return OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])


@dataclass(frozen=True)
class CheckedJob:
    """Hold a job's checked config, and the knobs without effect on what was asked for."""

    config: Config
    unread: dict[str, str]

    @property
    def effective(self) -> Config:
        """Return the part of the config that makes a job another one: what decides over the result, and its loggers."""
        return deciding(self.config) | {"logger": self.config["logger"]}


class Checker:
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
            except MissingConfigException as error:  # of a file, which may choose what stands in none
                group, _, name = (error.missing_cfg_file or "").partition("/")
                if not offered.offer(group, name):
                    raise
                return self.compose(overrides)
            except AttributeError as error:  # from OmegaConf, where a value is set below null in Hydra's part
                raise UserError(one_line(error)) from error
        return self.composed[key]

    def check(self, job: Sequence[str]) -> CheckedJob:
        """Return the job with its resolved config, or refuse it."""
        overrides = self.parser.parse_overrides(list(job))
        guard.check_overrides(overrides, self.groups_dir)
        paths = [search_path(self.groups_dir)] if self.groups_dir else []
        files = [str(override.input_line) for override in overrides if self.check_choice(override)]
        defaults = self.compose([*files, *paths])
        known = _keys(defaults)
        for override in overrides:
            if not override.is_hydra_override() and not self.has_files(override):
                check_key(override, known)
            elif "/" not in override.key_or_group and isinstance(override.value(), str):
                group = override.key_or_group.replace(".", "/")
                if "/" in group and self.options(group):
                    raise UserError(f"{override.input_line}: did you mean {group}={override.value()}?")
        config = self.compose(job)
        _check_targets(config)
        self.check_hydra(overrides, config, paths)
        chosen = config.hydra.runtime.choices
        if chosen["experiment"]:  # it may have set values and keys: compare with the files that it chose
            files = [f"{group}={chosen[group]}" for group in GROUPS if group not in ("experiment", "logger")]
            files.append(f"logger=[{','.join(config.get('logger', {}))}]")
            defaults = self.compose([*files, *paths])
        plain = to_plain(config, chosen)
        reference = to_plain(defaults, chosen)
        check_values(plain, reference, _keys(defaults))
        _check_own(plain)
        layer_rules.check(plain, reference)
        folders = [self.groups_dir] if self.groups_dir else []
        return CheckedJob(recorded(plain, config, folders), unread.unread(*_completed(plain, config, folders)))

    def check_hydra(self, overrides: Sequence[Override], config: DictConfig, paths: list[str]) -> None:
        """Refuse what Hydra's own part may not say."""
        typed = [override for override in overrides if override.is_hydra_override()]
        groups = [str(override.input_line) for override in typed if self.is_group(override)]
        if any(override.key_or_group.startswith(guard.PARTS) for override in typed):
            guard.check_code(config, self.compose(groups))
        if self.groups_dir:
            lines = [str(override.input_line) for override in typed]
            roots = [str(override.input_line) for override in overrides if override.key_or_group == "root"]
            guard.check_files(config, self.compose([*dict.fromkeys([*paths, *lines, *roots])]))
        guard.check_paths(config)

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

    def has_files(self, override: Override) -> bool:
        """Return whether the override chooses among the files of a group that there is."""
        return self.is_group(override) and bool(self.options(override.key_or_group))

    def check_choice(self, override: Override) -> bool:
        """Return whether the override chooses a file of a group; refuse a name that is not there."""
        if not self.has_files(override):
            return False
        _check_plain(override, list(GROUPS))
        group, chosen = override.key_or_group, override.value()
        options = self.options(group)
        for name in chosen if isinstance(chosen, list) and group in SEVERAL else [chosen]:
            if name not in options and not offered.offer(group, str(name)):
                raise UserError(unknown_choice(group, show(name), options))
        return True


def unknown_choice(group: str, name: str, options: Collection[str]) -> str:
    """Return what to say of a name that a group does not have."""
    if group == "hydra/launcher" and (extra := name.split("_", maxsplit=1)[0]) in LAUNCHERS:
        return f'{group}={name}: not installed; install it by: pip install "high-order-nets[{extra}]"'
    lists = {"layer_type": "layers", "model_name": "models", "dataset": "datasets"}
    where = f"; see: high-order-nets list {lists[group]}" if group in lists else expected(options)
    return f"{group}={name}: unknown {group.replace('_', ' ')}{allow.hint(name) or nearest(name, options, where)}"


def check_key(override: Override, known: list[str]) -> None:
    """Refuse a key that is not there, or that is added or removed."""
    _check_plain(override, known)
    key = override.key_or_group
    if key not in known and not (override.is_force_add() and key.startswith(tuning.RATES)):
        if meant := twin(key, known):
            raise UserError(
                f"{override.input_line}: did you mean {meant}={str(override.input_line).partition('=')[2]}?"
            )
        if key.startswith("rules."):
            pattern, _, option = key.removeprefix("rules.").rpartition(".")
            meant = f"rules={{{pattern}:{{{option}:{override.get_value_element_as_str()}}}}}"
            raise UserError(f"{override.input_line}: did you mean {meant}?")
        like = next((short for short, meant in RENAMED.items() if meant == key), key)
        raise UserError(f"{override.input_line}: unknown key {key}{nearest(like, known, HELP)}")


def _check_plain(override: Override, known: list[str]) -> None:
    """Refuse +key=value and ~key, other than of Hydra's own part."""
    adds = override.is_add() or (override.is_force_add() and not override.key_or_group.startswith(PATTERNS))
    if override.is_hydra_override() or not (adds or override.is_delete()):
        return
    line, verb = override.input_line, "removed" if override.is_delete() else "added"
    raise UserError(f"{line}: keys cannot be {verb}{nearest(override.key_or_group, known)}")


def _keys(config: DictConfig) -> list[str]:
    """Return every key that may be set, nested ones with dots."""
    bare = OmegaConf.to_container(config, resolve=False)
    assert isinstance(bare, dict)
    del bare["hydra"]
    keys = [key for key, _ in walk(bare)]
    absent = {short for short, meant in RENAMED.items() if meant not in keys}
    return [*keys, "experiment", *(alias for alias in ALIASES if alias not in absent)]


def _check_targets(config: DictConfig) -> None:
    """Refuse what names code to run, other than a group's own `_target_`."""
    for path, name in guard.code(OmegaConf.to_container(_own(config), resolve=False), ()):
        if path[-1] == "_target_" and (name is not None or path != ("layer_type", "_target_")):
            targets.check(name, ".".join(path[:-1]))


def _check_own(config: Config) -> None:
    """Refuse code of one's own that is not allowed, cannot be imported, or takes other keys."""
    for group in offered.GIVEN:
        if allow.covers(config[group].get("_target_")):
            offered.check(group, config[group])
    for knob, value, arguments in _called(config):
        targets.check(targets.parts(value)[0], knob)
        offered.check_called(knob, value, arguments)


def _called(config: Config) -> Iterator[tuple[str, Any, int]]:
    """Yield the knobs that may name code to call, with it and the number of what it is called with."""
    for knob in ("loss", "task.loss"):
        value = at(config, knob)
        if names_code(value):
            yield knob, value, 2
    yield from ((f"callbacks.{place}", each, 0) for place, each in enumerate(config["callbacks"]))
