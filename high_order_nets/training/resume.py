"""Where a run begins: anew, at a checkpoint, or not at all because it has finished or is another one."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from ..errors import UserError
from ..files import sweep
from .checkpoints import BEST, LAST, PREVIOUS, read_checkpoint
from .job import METRICS
from .reports import flat
from .rules import show

log = logging.getLogger(__name__)
Config = dict[str, Any]

CONFIG = "config.yaml"
MAY_DIFFER = (
    "command",
    "choices",
    "max_epochs",
    "plots",
    "root",
    "dataset.root",
    "num_workers",
    "resume",
    "checkpoint",
)
"""Settings, or groups of them, that say nothing about what has been computed so far."""


@dataclass(frozen=True)
class Start:
    """Say where training begins; without a path, with the first step.

    `figures` are those logged until then.
    """

    path: Path | None = None
    step: int = 0
    figures: dict[str, float] = field(default_factory=dict)


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Keep the run's folder from a second process, also one on its way already; unfinished files in it are removed."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock", timeout=0)  # The system frees it when the process dies, however.
    try:
        with lock:
            sweep(folder)
            sweep(folder / "checkpoints")
            yield
    except Timeout as error:
        raise UserError(f"run_dir={folder}: another process is training there; wait for it or stop it") from error


def finished(config: Config, folder: Path) -> dict[str, Any] | None:
    """Return the metrics of the run in the folder if it has finished what the config asks for.

    Raises UserError where the folder holds a run of another config, or any run under resume=never.
    """
    metrics = _metrics(folder)
    saved = [name for name in (LAST, PREVIOUS, BEST) if (folder / "checkpoints" / name).exists()]
    if config["resume"] == "never" and (saved or metrics.get("status") == "finished"):
        raise UserError(f"run_dir={folder}: holds a run already and resume=never; name another folder or remove it")
    if not (folder / CONFIG).exists() or (metrics.get("status") == "failed" and not saved):
        return None
    before = yaml.safe_load((folder / CONFIG).read_text(encoding="utf-8"))
    check_same(before, config, f"run_dir={folder}")
    if metrics.get("status") != "finished":
        return None
    stopped_early = metrics["epochs"] < before["max_epochs"]
    return metrics if stopped_early or metrics["epochs"] >= config["max_epochs"] else None


def find_start(config: Config, folder: Path) -> Start:
    """Choose the newest checkpoint that can be read; the run's own, else the one that resume=PATH names."""
    own = folder / "checkpoints"
    path, checkpoint = _newest(own)
    if path is None and config["resume"] not in ("auto", "never"):
        path, checkpoint = _named(Path(config["resume"]).expanduser().absolute())
    if path is None:
        return Start()
    check_same(checkpoint["config"], config, f"ckpt={path}")
    if "progress" not in checkpoint:
        raise UserError(
            f"ckpt={path}: written by an earlier version, which could not be continued; name another run_dir"
        )
    _drop_newer_best(own, checkpoint["global_step"])
    log.info("going on from %s: %d epochs, %d steps done", path, checkpoint["epoch"], checkpoint["global_step"])
    return Start(path, checkpoint["global_step"], checkpoint["figures"])


def check_same(before: Config, now: Config, where: str) -> None:
    """Refuse to go on with a run under another config; name a setting that differs, a flat knob if there is one."""
    old, new = flat(before), flat(now)
    keys = sorted({*old, *new}, key=lambda key: (key.count("."), key))
    for key in keys:
        if not _may_differ(key) and old.get(key) != new.get(key):
            there, here = show(old.get(key)), show(new.get(key))
            raise UserError(
                f"{where}: holds a run of another config, {key}={there} there and {here} here; name another run_dir"
            )


def _may_differ(key: str) -> bool:
    return any(key == name or key.startswith(f"{name}.") for name in MAY_DIFFER)


def _metrics(folder: Path) -> dict[str, Any]:
    path = folder / METRICS
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _newest(folder: Path) -> tuple[Path | None, dict[str, Any]]:
    """Return the newest checkpoint of the folder that can be read; set aside, and name, those that cannot."""
    readable: list[tuple[Path, dict[str, Any]]] = []
    for path in (folder / LAST, folder / PREVIOUS, folder / BEST):
        if not path.exists():
            continue
        try:
            readable.append((path, read_checkpoint(path)))
        except UserError as error:
            aside = _set_aside(path)
            log.warning("%s; set aside as %s", error, aside.name)
    return max(readable, key=lambda found: found[1]["global_step"], default=(None, {}))


def _set_aside(path: Path) -> Path:
    aside = path.with_name(f"{path.name}.corrupt")
    while aside.exists():
        aside = aside.with_name(f"{aside.name}_")
    return path.rename(aside)


def _named(path: Path) -> tuple[Path, dict[str, Any]]:
    if not path.is_dir():
        return path, read_checkpoint(path)
    folder = path / "checkpoints" if (path / "checkpoints").is_dir() else path
    found, checkpoint = _newest(folder)
    if found is None:
        raise UserError(f"resume={path}: no checkpoint there that can be read")
    return found, checkpoint


def _drop_newer_best(folder: Path, step: int) -> None:
    """Remove a best checkpoint that the run has not reached where it begins: it comes again if it is the best again."""
    best = folder / BEST
    if best.exists() and read_checkpoint(best)["global_step"] > step:
        best.unlink()
