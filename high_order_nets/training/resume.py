"""Where a run begins: anew, at a checkpoint, or not at all because it has finished or is another one."""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..processes import is_first
from ..run.checkpoints import read_checkpoint
from ..run.claims import check_same
from ..run.folder import is_finished
from ..run.layout import BEST, CHECKPOINTS, GONE_ON_WITH, locate, there
from ..settings import Config

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Start:
    """Say where training begins; without a path, with the first step.

    `figures` are those logged until then, `saved` is what the checkpoint says of its data, and `origin` what is on
    record of the weights that the run began with.
    """

    path: Path | None = None
    step: int = 0
    figures: dict[str, float] = field(default_factory=dict)
    saved: dict[str, Any] = field(default_factory=dict)
    origin: dict[str, Any] = field(default_factory=dict)


def find_start(config: Config, folder: Path) -> Start:
    """Choose the newest checkpoint that can be read; the run's own, else the one that resume=PATH names."""
    own = folder / CHECKPOINTS
    path, checkpoint = _newest(own)
    if path is None and config["resume"] not in ("auto", "never"):
        path, checkpoint = _named(Path(config["resume"]).expanduser().absolute())
    if path is None:
        if is_finished(folder):  # of fewer epochs
            log.warning("run_dir=%s: its checkpoints have been removed; trained anew", folder)
        return Start()
    if path.parent == own:
        check_same(checkpoint["config"], config, f"run_dir={folder}")
    else:
        advice = "a run goes on under the settings that it began with"
        check_same(checkpoint["config"], config, f"resume={config['resume']}", advice)
    if "progress" not in checkpoint:
        raise UserError(
            f"ckpt={path}: written by an earlier version, which could not be continued; name another run_dir"
        )
    if is_first():
        _drop_newer_best(own, checkpoint["global_step"])
    _tell_of_epochs(checkpoint["config"], config)
    log.info("going on from %s: %d epochs, %d steps done", path, checkpoint["epoch"], checkpoint["global_step"])
    saved = {key: value for key, value in checkpoint.items() if key.endswith("DataModule")}
    return Start(path, checkpoint["global_step"], checkpoint["figures"], saved, checkpoint.get("origin", {}))


def _tell_of_epochs(before: Config, now: Config) -> None:
    """Say that a schedule over another number of epochs is another schedule from here on."""
    old, new, name = before["max_epochs"], now["max_epochs"], now["scheduler"]["name"]
    if old != new and name in ("one_cycle", "cosine", "multistep"):
        log.info("max_epochs=%d, before %d: scheduler=%s is laid out anew over all of them", new, old, name)


def _newest(folder: Path) -> tuple[Path | None, dict[str, Any]]:
    """Return the newest checkpoint of the folder that can be read; set aside, and name, those that cannot."""
    readable: list[tuple[Path, dict[str, Any]]] = []
    for path in there(folder, GONE_ON_WITH):
        try:
            readable.append((path, read_checkpoint(path)))
        except UserError as error:
            if not is_first():
                continue
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
        return path, read_checkpoint(locate(path, GONE_ON_WITH, "resume"))
    found, checkpoint = _newest(path)
    if found is None:
        raise UserError(f"resume={path}: no checkpoint there that can be read")
    return found, checkpoint


def _drop_newer_best(folder: Path, step: int) -> None:
    """Remove a best checkpoint that the run has not reached where it begins: it comes again if it is the best again."""
    best = folder / BEST
    if best.exists() and read_checkpoint(best)["global_step"] > step:
        best.unlink()
