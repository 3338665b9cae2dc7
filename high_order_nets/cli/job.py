"""One job of the command line: from Hydra's composed config to `run.train`, errors recorded in the job's folder."""

import gc
import logging
import shutil
import traceback
from importlib import import_module
from pathlib import Path, PurePath

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from .. import allow, metrics
from ..config.checker import recorded, to_plain
from ..errors import Diverged, UserError
from ..files import write_json, write_yaml
from ..processes import is_first
from ..run.folder import config_of, is_finished, job_folders, metrics_of
from ..run.keep import keep_best
from ..run.layout import CHECKPOINTS, CONFIG, HISTORY, METRICS
from ..settings import Config, both_deciding

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
        self.allowance = allow.Allowance.here(allow.allowed())
        self.error: Exception | None = None

    def __call__(self, config: DictConfig) -> float:
        """Return the score that `run.train` returns, or nan for a job that failed."""
        with self.allowance.granted():
            return self._run(config)

    def _run(self, config: DictConfig) -> float:
        hydra = HydraConfig.get()
        folder = Path(hydra.runtime.output_dir)
        multirun = hydra.mode == RunMode.MULTIRUN
        if multirun:
            log.info("job %s: %s", hydra.job.num, " ".join(hydra.overrides.task))
        folders = [Path(str(place).removeprefix("file://")) for place in hydra.searchpath]
        plain: Config = recorded(to_plain(config, hydra.runtime.choices), config, folders) | {"command": self.command}
        if self.skip_finished and is_finished(folder) and _same(folder, plain):
            log.info("job %s: finished already", hydra.job.num)
            score = _score(folder)
        else:
            score = self._train(plain, folder, f"job {hydra.job.num}" if multirun else "")
        if multirun and is_first() and (count := plain["checkpoint"]["keep"]):
            keep_best(job_folders(_sweep_of(folder, hydra.sweep.subdir)).values(), count)
        return score

    def _train(self, plain: Config, folder: Path, job: str) -> float:
        """Return the score; of a `job` of a multirun an error is logged."""
        try:
            return float(import_module("high_order_nets.training.run").train(plain, folder))
        except Exception as error:  # any job may fail in any way; the others go on
            self.error = error
            if is_first():
                self._leave(error, plain, folder, job)
            if job:
                log.error("%s: %s", job, summary(error), exc_info=not is_known(error))
            return float("nan")
        finally:
            if self.error is not None:
                _release(self.error)
            gc.collect()  # a run is full of circles: without this, networks of earlier jobs pile up

    def _leave(self, error: Exception, plain: Config, folder: Path, job: str) -> None:
        """Leave the folder as it is to be after an error."""
        if isinstance(error, UserError) and not job and not self.existed and _untrained(folder):
            shutil.rmtree(folder, ignore_errors=True)
        else:
            _record(error, folder, plain)


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


def _same(folder: Path, config: Config) -> bool:
    """Return whether the run in the folder was of this config."""
    before, now = both_deciding(config_of(folder), config)
    return before == now


def _untrained(folder: Path) -> bool:
    """Return whether nothing lies in the folder that took time to make."""
    return not (folder / CHECKPOINTS).exists() and not (folder / HISTORY).exists()


def _sweep_of(folder: Path, subdir: str) -> Path:
    """Return the folder of the sweep that a job in `subdir` of it belongs to."""
    return folder.parents[len(PurePath(subdir).parts) - 1]


def _score(folder: Path) -> float:
    return metrics.score(metrics_of(folder))


def _record(error: Exception, folder: Path, config: Config) -> None:
    """Leave what a run that did not get far enough has not left itself."""
    if not (folder / CONFIG).exists():
        write_yaml(folder / CONFIG, config)
    if not (folder / METRICS).exists():
        status = "diverged" if isinstance(error, Diverged) else "failed"
        write_json(folder / METRICS, {"status": status, "error": summary(error)})
