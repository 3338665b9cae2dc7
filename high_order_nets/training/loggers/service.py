"""Loggers that hand what they are given to a service, here or on the other side of the world."""

import os
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytorch_lightning.utilities import rank_zero_only

from ...processes import is_first
from ...run.layout import LOGGERS
from ...settings import Config
from .base import Harmless
from .record import Record
from .tags import results, sizes, tagged

if TYPE_CHECKING:
    import numpy as np


class Service(Harmless):
    """Log to a run of a service, which is opened when there is something to log, by the id that is on record.

    Each process that logs opens it for itself: with `trainer=ddp` the one that is spawned, then the one that spawned
    it. Each figure is logged once a step. A run that begins `anew` begins another one of the service's.
    """

    def __init__(self, name: str, config: Config, folder: Path, *, anew: bool):
        super().__init__(name)
        self.config, self.folder = config, folder
        self.settings: Config = config["logger"][name]
        self._record = Record(folder / LOGGERS / f"{name}.jsonl")
        self._service: Any = None
        self._identity: str | None = None
        self._process = os.getpid()
        if anew and is_first():
            self._record.forget()

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what another process must open for itself."""
        return self.__dict__ | {"_service": None}

    @property
    def title(self) -> str:
        """What people call the run: the name it is given, or its folder's, behind that of its sweep."""
        own = self.folder.name
        return self.settings["name"] or (f"{self.folder.parent.name}/{own}" if own.isdecimal() else own)

    @property
    def version(self) -> str | None:
        """The id that the service has given the run."""
        return self._identity

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log figures by the names that the training gives them."""
        self.attempt(lambda: self._log(tagged(metrics), step or 0))

    def log_picture(self, name: str, image: "np.ndarray", step: int) -> None:
        """Log a picture, uint8 (height, width, 3)."""
        self.attempt(lambda: self._log_picture(name, image, step))

    def log_run(self, config: Config, figures: Mapping[str, Any]) -> None:
        """Log the results and sizes of a finished run."""
        self.attempt(lambda: self.summarise(self._opened(), results(figures), sizes(figures)))

    def finalize(self, status: str) -> None:
        """Close what a spawned process has opened; in the one that spawns none, the test is still to come."""
        if os.getpid() != self._process:
            self.close("finished" if status == "success" else "failed")

    def close(self, status: str) -> None:
        """End the service's run, if it is open here."""
        if self._service is not None:
            service, self._service = self._service, None
            self._failed = False  # what has failed is worth another attempt
            self.attempt(lambda: self.end(service, status))

    @abstractmethod
    def open(self, identity: str | None) -> tuple[Any, str]:
        """Go on with the run of that id, or begin one; return what to log to, and the id."""

    @abstractmethod
    def send(self, service: Any, figures: Mapping[str, float], step: int) -> None:
        """Log figures of a step."""

    @abstractmethod
    def show(self, service: Any, name: str, image: "np.ndarray", step: int) -> None:
        """Log a picture of a step."""

    @abstractmethod
    def summarise(self, service: Any, results: Mapping[str, Any], sizes: Mapping[str, Any]) -> None:
        """Log what a run came to, beside the figures that have been logged."""

    @abstractmethod
    def end(self, service: Any, status: str) -> None:
        """End the run."""

    def _opened(self) -> Any:
        if self._service is None:
            known = self._record.read()
            self._service, self._identity = self.open(known)
            if self._identity != known:
                self._record.begin(self._identity)
        return self._service

    def _log(self, figures: Mapping[str, float], step: int) -> None:
        service = self._opened()
        if names := self._record.fresh(figures, step):
            self.send(service, {name: figures[name] for name in names}, step)
            self._record.note(names, step)

    def _log_picture(self, name: str, image: "np.ndarray", step: int) -> None:
        service = self._opened()
        if self._record.fresh([name], step):
            self.show(service, name, image, step)
            self._record.note([name], step)
