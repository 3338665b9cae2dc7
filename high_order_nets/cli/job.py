"""One job of the command line: from Hydra's composed config to `run.train`, errors recorded in the job's folder."""

import gc
import json
import logging
import shutil
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from ..config.checker import recorded, to_plain
from ..errors import Diverged, UserError
from ..files import write_text
from ..runs.folder import is_finished
from ..runs.history import HISTORY
from ..runs.layout import CONFIG, METRICS
from ..settings import both_deciding

log = logging.getLogger(__name__)


class Job:
    """Train under the config that Hydra hands over; keep going past the errors of a multirun.

    Picklable, for Hydra's launchers. Errors are kept rather than raised: Hydra would add its own lines to them, and one
    would end a whole sweep. With `skip_finished` a folder that holds a finished run of this very config is left as it
    is. A single job that was asked for what cannot be done leaves nothing behind in a folder that had not `existed`.
    """

    def __init__(self, command: str, *, skip_finished: bool = False, existed: bool = True) -> None:
        self.command = command
        self.skip_finished = skip_finished
        self.existed = existed
        self.error: Exception | None = None

    def __call__(self, config: DictConfig) -> float:
        """Return the score that `run.train` returns, or nan for a job that failed."""
        hydra = HydraConfig.get()
        folder = Path(hydra.runtime.output_dir)
        multirun = hydra.mode == RunMode.MULTIRUN
        if multirun:
            log.info("job %s: %s", hydra.job.num, " ".join(hydra.overrides.task))
        plain = recorded(to_plain(config, hydra.runtime.choices), config) | {"command": self.command}
        if self.skip_finished and is_finished(folder) and _same(folder, plain):
            log.info("job %s: finished already", hydra.job.num)
            return _score(folder)
        try:
            return float(import_module("high_order_nets.training.run").train(plain, folder))
        except Exception as error:  # any job may fail in any way; the others go on
            self.error = error
            if isinstance(error, UserError) and not multirun and not self.existed and _untrained(folder):
                shutil.rmtree(folder, ignore_errors=True)
            else:
                _record(error, folder, plain)
            if multirun:
                log.error("job %s: %s", hydra.job.num, summary(error), exc_info=not is_known(error))
            return float("nan")
        finally:
            if self.error is not None:
                _release(self.error)
            gc.collect()  # a run is full of circles: without this, networks of earlier jobs pile up


def is_known(error: Exception) -> bool:
    """Return whether one line says all about the error."""
    return isinstance(error, UserError | Diverged)


def summary(error: Exception) -> str:
    """Return the error in one line."""
    said = " ".join(str(error).split())
    return said if is_known(error) else f"{type(error).__name__}: {said}"


def _release(error: BaseException | None) -> None:
    """Let go of what the frames of an error, and of those that led to it, hold: the network among it."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def _same(folder: Path, config: dict[str, Any]) -> bool:
    """Return whether the run in the folder was of this config."""
    try:
        before, now = both_deciding(yaml.safe_load((folder / CONFIG).read_text(encoding="utf-8")), config)
        return before == now
    except (OSError, ValueError, AttributeError, yaml.YAMLError):
        return False


def _untrained(folder: Path) -> bool:
    """Return whether nothing lies in the folder that took time to make."""
    return not (folder / "checkpoints").exists() and not (folder / HISTORY).exists()


def _score(folder: Path) -> float:
    score = json.loads((folder / METRICS).read_text(encoding="utf-8")).get("test_acc")
    return float("nan") if score is None else float(score)


def _record(error: Exception, folder: Path, config: dict[str, Any]) -> None:
    """Leave what a run that did not get far enough has not left itself."""
    if not (folder / CONFIG).exists():
        write_text(folder / CONFIG, yaml.safe_dump(config, sort_keys=False))
    if not (folder / METRICS).exists():
        status = "diverged" if isinstance(error, Diverged) else "failed"
        write_text(folder / METRICS, json.dumps({"status": status, "error": summary(error)}, indent=2) + "\n")
