"""One job of the command line: from Hydra's composed config to `run.train`, errors recorded in the job's folder."""

import json
import logging
from importlib import import_module
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from ..errors import Diverged, UserError
from .config import to_plain

log = logging.getLogger(__name__)
METRICS = "metrics.json"


class Job:
    """Train under the config that Hydra hands over; keep going past the errors of a multirun.

    Picklable, for Hydra's launchers. Errors are kept rather than raised: Hydra would add its own lines to them, and one
    would end a whole sweep.
    """

    def __init__(self, command: str) -> None:
        self.command = command
        self.error: Exception | None = None

    def __call__(self, config: DictConfig) -> float:
        """Return the score that `run.train` returns, or nan for a job that failed."""
        hydra = HydraConfig.get()
        folder = Path(hydra.runtime.output_dir)
        multirun = hydra.mode == RunMode.MULTIRUN
        if multirun:
            log.info("job %s: %s", hydra.job.num, " ".join(hydra.overrides.task))
        try:
            plain = to_plain(config, hydra.runtime.choices) | {"command": self.command}
            return float(import_module("high_order_nets.training.run").train(plain, folder))
        except Exception as error:  # any job may fail in any way; the others go on
            self.error = error
            if not (folder / METRICS).exists():
                _record(error, folder)
            if multirun:
                log.error("job %s: %s", hydra.job.num, summary(error), exc_info=not is_known(error))
            return float("nan")


def is_known(error: Exception) -> bool:
    """Return whether one line says all about the error."""
    return isinstance(error, UserError | Diverged)


def summary(error: Exception) -> str:
    """Return the error in one line."""
    said = " ".join(str(error).split())
    return said if is_known(error) else f"{type(error).__name__}: {said}"


def _record(error: Exception, folder: Path) -> None:
    status = "diverged" if isinstance(error, Diverged) else "failed"
    text = json.dumps({"status": status, "error": summary(error)}, indent=2)
    (folder / METRICS).write_text(text + "\n", encoding="utf-8")
