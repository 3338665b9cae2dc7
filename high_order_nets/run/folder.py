"""Reads runs back from their folders: what was asked for and what was measured."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .. import unread
from ..errors import UserError
from ..metrics import headline
from ..settings import ABSENT, Config, at, is_unread, typed, upgraded
from .layout import CONFIG, JOB, METRICS, OVERRIDES, SWEEP

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one written in C is ten times faster


@dataclass(frozen=True)
class Run:
    """Hold one run: its folder, its resolved config, the keys named on its command line and its metrics.

    `keys` is None where the run was not started from a command line. `metrics` always has a `status`.
    """

    folder: Path
    config: Config = field(default_factory=dict)
    keys: tuple[str, ...] | None = ()
    metrics: dict[str, Any] = field(default_factory=lambda: {"status": "missing"})

    @property
    def status(self) -> str:
        """Return finished, diverged, failed, pruned, unfinished (no metrics yet) or missing (not started)."""
        return str(self.metrics["status"])

    @property
    def headline(self) -> str:
        """Return the metric that the run is judged by."""
        return headline(self.metrics)

    def setting(self, key: str) -> Any:
        """Return the file chosen for a group or the value of a knob, dotted names included; None if it reads none."""
        return self._found(key) if self.reads(key) else None

    def reads(self, key: str) -> bool:
        """Return whether the run has such a knob and depends on it."""
        return self._found(key) is not ABSENT and not is_unread(self.config, key)

    def _found(self, key: str) -> Any:
        choices = self.config.get("choices", {})
        return choices[key] if key in choices else at(self.config, key)


def read(folders: Iterable[Path]) -> list[Run]:
    """Read all runs at or below the folders, each once; jobs of a sweep that left nothing are `missing`.

    Raises UserError for a folder that is not there.
    """
    runs: dict[Path, Run] = {}
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder; expected one of runs or sweeps, such as outputs")
        for run in (*_missing(folder), *map(_run, _run_folders(folder))):
            runs[run.folder.resolve()] = run
    return sorted(runs.values(), key=lambda run: _order(run.folder))


def planned(folder: Path) -> list[Config]:
    """Return the configs of the jobs that the sweep in this folder was started with; none where there was no sweep."""
    return [_with_record(config) for config in (content(folder / SWEEP) or {}).get("jobs", [])]


def is_finished(folder: Path) -> bool:
    """Return whether the folder holds a run that came to its end."""
    return metrics_of(folder).get("status") == "finished"


def metrics_of(folder: Path) -> dict[str, Any]:
    """Return what a run has measured; nothing where that is missing or damaged."""
    return content(folder / METRICS) or {}


def config_of(folder: Path) -> Config:
    """Return what a run was asked for; nothing where that is missing or damaged."""
    return _with_record(content(folder / CONFIG) or {})


def jobs_of(folder: Path) -> dict[int, Run]:
    """Return the runs of the sweep in this folder by the numbers of their jobs."""
    return {number: _run(place) for number, place in job_folders(folder).items()}


def job_folders(folder: Path) -> dict[int, Path]:
    """Return the folders of a sweep's runs by the numbers of their jobs, in order; another sweep may lie below it."""
    others = [file.parent for file in folder.rglob(SWEEP) if file.parent != folder]
    own = [place for place in _run_folders(folder) if not any(map(place.is_relative_to, others))]
    return dict(sorted((number, place) for place in own if (number := _number(place)) is not None))


def content(path: Path) -> dict[str, Any] | None:
    """Return what a JSON or YAML file of a run holds: nothing if it is not there, None if cut short or no mapping."""
    if not path.exists():
        return {}
    try:
        text = path.read_text(encoding="utf-8")
        found = json.loads(text) if path.suffix == ".json" else yaml.load(text, _Loader)  # 1e-05 is a word to YAML
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return None
    return found if isinstance(found, dict) else None


def _run_folders(folder: Path) -> set[Path]:
    found = [*folder.rglob(METRICS), *folder.rglob(CONFIG)]
    return {path.parent for path in found if path.parent.name != Path(JOB).parent.name}


def _run(folder: Path) -> Run:
    overrides = folder / OVERRIDES
    metrics = metrics_of(folder)
    return Run(
        folder,
        config_of(folder),
        tuple(_keys(overrides)) if overrides.is_file() else None,
        metrics if "status" in metrics else {"status": "unfinished"},
    )


def _with_record(config: Config) -> Config:
    """Add, to the config of an older version's run, what it lacks and which knobs it did not read."""
    config = upgraded(config)
    names = [] if "unread" in config else unread.older(config)
    return config | {"unread": names} if names else config


def _missing(folder: Path) -> Iterator[Run]:
    """Yield the planned jobs of every sweep below the folder that have no folder of a run."""
    for file in folder.rglob(SWEEP):
        there = jobs_of(file.parent)
        for job, config in enumerate(planned(file.parent)):
            if job not in there:
                yield Run(file.parent / str(job), config)


def _keys(overrides: Path) -> list[str]:
    lines = yaml.load(overrides.read_text(encoding="utf-8"), _Loader) or []
    return [typed(str(line).partition("=")[0]) for line in lines]


def _number(folder: Path) -> int | None:
    job = (content(folder / JOB) or {}).get("hydra", {}).get("job", {})
    return job.get("num")


def _order(folder: Path) -> tuple[str, int, str]:
    """Sort jobs by number, not as 0, 1, 10, 2."""
    return (str(folder.parent), int(folder.name) if folder.name.isdecimal() else -1, folder.name)
