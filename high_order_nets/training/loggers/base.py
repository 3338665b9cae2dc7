"""What every logger of a run can do, and how one that fails does no harm: the run matters more."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, cast

import pytorch_lightning as pl
from pytorch_lightning.loggers import Logger

from ...run.record import status_of
from ...settings import Config

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger(__name__)


class RunLogger(Protocol):
    """Take what Lightning does not log: pictures, what a run came to, and that it has ended."""

    def log_picture(self, name: str, image: "np.ndarray", step: int) -> None:
        """Log a picture, uint8 (height, width, 3)."""

    def log_run(self, config: Config, figures: Mapping[str, Any]) -> None:
        """Log the results of a finished run."""

    def close(self, status: str) -> None:
        """Log nothing more; `status` as in metrics.json."""


def loggers_of(trainer: pl.Trainer) -> list[RunLogger]:
    """Return the loggers of a trainer, all of which this program has made."""
    return [cast(RunLogger, each) for each in trainer.loggers]


@contextmanager
def closed(trainer: pl.Trainer) -> Iterator[None]:
    """Close the loggers when the block ends, however it does."""
    status = "finished"
    try:
        yield
    except BaseException as error:
        status = status_of(error)
        raise
    finally:
        for logger in loggers_of(trainer):
            logger.close(status)


class Harmless(Logger):
    """A logger whose first failure is one line of warning, and the last that is heard of it."""

    def __init__(self, name: str):
        super().__init__()
        self._name, self._failed = name, False

    @property
    def name(self) -> str:
        """The word behind `logger=`."""
        return self._name

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the settings of a run are known when it is opened."""

    def attempt(self, act: Callable[[], object]) -> None:
        """Do it, unless something has failed before."""
        if self._failed:
            return
        try:
            act()
        except Exception as error:
            self._failed = True
            said = (str(error).splitlines() or [""])[0]
            log.warning("logger=%s: nothing more is logged there: %s: %s", self._name, type(error).__name__, said)
