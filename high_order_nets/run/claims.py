"""Whose a run's folder is: one process at a time, one config, and never a fresh start over what is there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..errors import UserError, show
from ..files import sweep
from ..settings import UNIMPORTANT, Config, flat, is_unread, places, upgraded
from .folder import content
from .layout import CHECKPOINTS, CONFIG, GONE_ON_WITH, LOCK, METRICS, there

MAY_DIFFER = (*UNIMPORTANT, "choices", "max_epochs")
"""Settings, or groups of them, that say nothing about what has been computed so far."""


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Keep the run's folder from a second process, also one on its way already; unfinished files in it are removed."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK, timeout=0)  # The system frees it when the process dies, however.
    try:
        with lock:
            sweep(folder)
            sweep(folder / CHECKPOINTS)
            yield
    except Timeout as error:
        raise UserError(f"run_dir={folder}: another process is training there; wait for it or stop it") from error


def finished(config: Config, folder: Path) -> dict[str, Any] | None:
    """Return the metrics of the run in the folder if it has finished what the config asks for.

    Raises UserError where the folder holds a run of another config, or any run under resume=never.
    """
    metrics = _written(folder / METRICS)
    saved = there(folder / CHECKPOINTS, GONE_ON_WITH)
    if config["resume"] == "never" and (saved or metrics.get("status") == "finished"):
        raise UserError(f"run_dir={folder}: holds a run already and resume=never; name another folder or remove it")
    if not (folder / CONFIG).exists() or (metrics.get("status") == "failed" and not saved):
        return None
    before = upgraded(_written(folder / CONFIG))
    check_same(before, config, f"run_dir={folder}")
    if metrics.get("status") != "finished":
        return None
    stopped_early = metrics["epochs"] < before["max_epochs"]
    return metrics if stopped_early or metrics["epochs"] >= config["max_epochs"] else None


def check_same(before: Config, now: Config, where: str, advice: str = "name another run_dir") -> None:
    """Refuse to go on with a run under another config; name a setting that differs, a flat knob if there is one."""
    old, new = flat(before), flat(now)
    keys = sorted({*old, *new}, key=lambda key: (key.count("."), key))
    for key in keys:
        if not _may_differ(key, before, now) and old.get(key) != new.get(key):
            there, here = show(old.get(key)), show(new.get(key))
            raise UserError(f"{where}: holds a run of another config, {key}={there} there and {here} here; {advice}")


def _may_differ(key: str, *configs: Config) -> bool:
    open_to_all = any(key == name or key.startswith(f"{name}.") for name in (*MAY_DIFFER, *places(configs[-1])))
    return open_to_all or any(is_unread(config, key) for config in configs)


def _written(path: Path) -> dict[str, Any]:
    """Return what a run has written; nothing where it is not there. Raises UserError for what someone else has."""
    if (found := content(path)) is None:
        raise UserError(f"{path}: written by no run of high-order-nets; name another run_dir")
    return found
