"""Composes the config from conf/ and the command line, and refuses a bad one before anything heavy is imported."""

import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, MissingConfigException
from hydra.types import RunMode
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from .. import settings, unread
from ..errors import UserError, show
from ..names import TORCHVISION
from ..paths import conf_dir, project_root
from ..settings import Config
from . import jobs, layer_rules, offered
from .catalogue import own_datasets
from .checker import CheckedJob, Checker, check_key, one_line, unknown_choice
from .overrides import Arguments, quote, search_path

# What composing a bad line or file ends in; OmegaConf asserts where a value is set below null.
REFUSALS = (HydraException, OmegaConfBaseException, yaml.YAMLError, AssertionError)

# At import, so that a worker of a launcher, which only unpickles the job, has them too.
OmegaConf.register_new_resolver("project_root", lambda: str(project_root()), replace=True)
OmegaConf.register_new_resolver("plain", lambda name: str(name).replace("/", "-"), replace=True)  # one folder
OmegaConf.register_new_resolver("unique", lambda: secrets.token_hex(2), use_cache=True, replace=True)


@dataclass(frozen=True)
class Plan:
    """Hold what a command line asks for, checked: each job's config and the folder of the run or of the multirun."""

    jobs: list[Config]
    overrides: list[str]
    run_dir: Path | None = None
    sweep_dir: Path | None = None
    complete: bool = True  # False: a sweeper picks among the jobs
    lines: tuple[list[str], ...] = ()  # what each of the jobs of a complete multirun overrides
    notes: tuple[str, ...] = ()  # what was typed without effect
    whole: "Plan | None" = None  # with the jobs of a multirun that were left out; None where none was


def plan(arguments: Arguments) -> Plan:
    """Compose and check the config of every job that the arguments ask for."""
    with _refusing(), _composer(arguments.groups_dir, _data_root(arguments)) as loader:
        return _plan(arguments, loader)


def compose_search(lines: Sequence[str], groups_dir: Path | None) -> dict[str, Any]:
    """Return the settings that `search=NAME search.trials=…` ask for; a file of conf/search/ holds the others."""
    with _refusing(), _composer(groups_dir) as loader:
        overrides = OverridesParser.create(loader).parse_overrides(list(lines))
        names = [override.value() for override in overrides if override.key_or_group == "search"]
        options = Checker(loader, groups_dir).options("search")
        if len(names) != 1 or names[0] not in options:
            raise UserError(unknown_choice("search", " ".join(map(show, names)), options))
        paths = [search_path(groups_dir)] if groups_dir else []
        file = compose("config", [f"+search={names[0]}", *paths])
        known = [f"search.{key}" for key in file.search]
        changes = [override for override in overrides if override.key_or_group != "search"]
        for override in changes:
            check_key(override, known)
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
        raise UserError(unknown_choice(group, name, error.options or ())) from error
    except REFUSALS as error:
        raise UserError(one_line(error)) from error


@contextmanager
def _composer(groups_dir: Path | None = None, root: Path | None = None) -> Iterator[ConfigLoader]:
    """Open conf/ for composition, with the names that have no file of their own."""
    folders = [conf_dir(), groups_dir] if groups_dir else [conf_dir()]
    _register("layer_type", layer_rules.dimensioned(layer_rules.files(folders)))
    _register("model_name", {name: {"_target_": f"torchvision.models.{name}"} for name in TORCHVISION})
    _register("dataset", _datasets(root))
    _register("optimizer", {})
    with initialize_config_dir(str(conf_dir()), job_name="high-order-nets", version_base="1.3"):
        yield GlobalHydra.instance().config_loader()


def _register(group: str, nodes: Mapping[str, Any]) -> None:
    """Give a group these names beside its files, and none that an earlier line of this process has given it."""
    ConfigStore.instance().repo.pop(group, None)
    for name, node in nodes.items():
        offered.store(group, name, node)


def _datasets(root: Path | None) -> dict[str, Any]:
    """Return the prepared files that nothing describes, by their names: what all images share, without augmentation."""
    node = yaml.safe_load((conf_dir() / "dataset" / "base" / "images.yaml").read_text(encoding="utf-8"))
    return {name: node | {"name": name} for name in own_datasets(root)}


def _data_root(arguments: Arguments) -> Path | None:
    """Return the root that is named on the line."""
    roots = [line.partition("=")[2].strip("'\"") for line in arguments.overrides if line.startswith("dataset.root=")]
    return Path(re.sub(r"\\+\$", "$", roots[-1])).expanduser() if roots else None  # `quote` escapes them


def _plan(arguments: Arguments, loader: ConfigLoader) -> Plan:
    parser = OverridesParser.create(loader)
    overrides = jobs.parsed(parser, arguments.overrides)
    for override in overrides:
        if override.is_sweep_override() and not arguments.multirun:
            raise UserError(f"{override.input_line}: several values need the flag -m")
    grids = _grids(arguments, parser, overrides)
    checker = Checker(loader, arguments.groups_dir)
    values = {override.get_key_element(): jobs.values(override) for override in overrides}
    first = [lines[0] for lines in (values | grids[0]).values()]
    checked = checker.check(first)
    config = checker.compose(first)
    typed = [settings.typed(key) for each in (values, *grids) for key in each]
    given = [str(o.input_line) if o.is_sweep_override() else jobs.values(o)[0] for o in overrides]
    if not arguments.multirun:
        if config.hydra.mode not in (None, RunMode.RUN):
            raise UserError(f"hydra.mode={config.hydra.mode.name}: use the flag -m instead")
        notes = unread.told(typed, [checked.unread])
        folder, lines = _pinned(config.hydra.run.dir, given, "run")
        return Plan([checked.config], lines, folder, notes=tuple(notes))
    folder, kept = _pinned(config.hydra.sweep.dir, given, "sweep")
    if "${" in str(folder) and not config.hydra.launcher._target_.endswith(".BasicLauncher"):
        raise UserError(
            f"run_dir={folder}: other processes would read the ${{…}}; leave hydra/launcher out, or name another folder"
        )
    complete = not arguments.search and config.hydra.sweeper.get("_target_", "").endswith(".BasicSweeper")
    if not complete:
        return Plan([checker.check(job).config for job in jobs.axes(values)], kept, None, folder, False)
    tasks = {o.get_key_element(): values[o.get_key_element()] for o in overrides if not o.is_hydra_override()}
    hydras = [lines[0] for key, lines in values.items() if key not in tasks]
    params = config.hydra.sweeper.params or {}
    lines = [line for grid in grids for line in jobs.combinations(tasks | grid, params)]
    return _sweep_plan([(line, checker.check([*line, *hydras])) for line in lines], kept, folder, typed)


def _grids(arguments: Arguments, parser: OverridesParser, shared: Sequence[Override]) -> list[dict[str, jobs.Lines]]:
    """Return what each grid adds, by key: a script's own comparison where a multirun is asked for and nothing swept."""
    given = [jobs.parsed(parser, grid) for grid in arguments.grids]
    if not given and arguments.multirun and not any(override.is_sweep_override() for override in shared):
        typed = {override.get_key_element() for override in shared}
        own = [jobs.parsed(parser, grid) for grid in arguments.comparison]
        given = [[each for each in grid if each.get_key_element() not in typed] for grid in own]
    return [{each.get_key_element(): jobs.values(each) for each in grid} for grid in given] or [{}]


def _pinned(folder: str, overrides: Sequence[str], kind: str) -> tuple[Path, list[str]]:
    """Return the folder that a command asks for, and its overrides with it written out.

    Evaluated once: whoever starts the jobs knows where their results are, whatever time it is by then.
    """
    path = Path(folder).expanduser().absolute()
    key = f"hydra.{kind}.dir"
    kept = [line for line in overrides if not line.startswith(f"{key}=")]
    return path, [*kept, f"{key}={quote(str(path))}"]


def _sweep_plan(
    found: list[tuple[list[str], "CheckedJob"]], overrides: list[str], folder: Path, typed: list[str]
) -> Plan:
    """Return the plan of a sweep: of jobs that differ in nothing that they read, the first alone."""
    kept: list[tuple[list[str], CheckedJob]] = []
    for line, job in found:
        if job.effective not in [other.effective for _, other in kept]:
            kept.append((line, job))
    notes = tuple(unread.told(typed, [job.unread for _, job in found]))

    def planned(jobs: list[tuple[list[str], CheckedJob]]) -> Plan:
        lines = tuple(line for line, _ in jobs)
        return Plan([job.config for _, job in jobs], overrides, None, folder, lines=lines, notes=notes)

    if not (left := len(found) - len(kept)):
        return planned(kept)
    note = f"{left} of {len(found)} jobs differ from others only in knobs that they do not read: left out"
    return replace(planned(kept), notes=(*notes, note), whole=planned(found))
