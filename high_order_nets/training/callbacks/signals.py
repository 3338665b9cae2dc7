"""SIGTERM and Ctrl-C: training stops between two steps, everything else at once."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytorch_lightning as pl
from torch.multiprocessing.spawn import ProcessExitedException

from ...errors import Interrupted
from ...processes import started

SIGNALS = (signal.SIGTERM, signal.SIGINT)
PATIENCE = 1.0
"""Seconds in which a second signal is the first one again: a terminal and the launcher may both send it."""

Handler = Callable[[int, FrameType | None], None]


@contextmanager
def handled(handler: Handler) -> Iterator[None]:
    """Have the handler called for both signals; outside the main thread, where Python allows none, do nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {signum: signal.signal(signum, handler) for signum in SIGNALS}
    try:
        yield
    finally:
        for signum, previous in before.items():
            signal.signal(signum, previous)


def stop_at_once(signum: int, _frame: FrameType | None) -> None:
    """Handle a signal by raising Interrupted."""
    raise Interrupted(signum)


class StopBetweenSteps(pl.Callback):
    """While training runs, remember a signal until `received` asks; a second one stops at once.

    Installed when training starts, after Lightning has installed its own handler, and in each process by itself.
    """

    def __init__(self) -> None:
        self._signum, self._time = 0, 0.0
        self._installed: Any = None

    def received(self, trainer: pl.Trainer) -> int:
        """Return the number of the signal that any of the processes got; 0: none."""
        if trainer.world_size == 1:
            return self._signum
        got = [s for s in SIGNALS if trainer.strategy.reduce_boolean_decision(self._signum == s, all=False)]
        return int(got[0]) if got else 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Install the handler."""
        self._installed = handled(self._remember)
        self._installed.__enter__()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leave the handlers as they were."""
        self._uninstall()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Leave the handlers as they were."""
        self._uninstall()

    def _remember(self, signum: int, frame: FrameType | None) -> None:
        if self._signum and time.monotonic() - self._time > PATIENCE:
            raise Interrupted(signum)
        self._signum, self._time = signum, time.monotonic()

    def _uninstall(self) -> None:
        if self._installed is not None:
            self._installed.__exit__(None, None, None)
            self._installed = None


@contextmanager
def passed_on(trainer: pl.Trainer) -> Iterator[None]:
    """Pass signals on to the processes that the trainer spawns, and end as they do; nothing where it spawns none."""
    launcher = trainer.strategy.launcher
    if launcher is None or started():
        yield
        return
    try:
        with handled(lambda signum, _frame: launcher.kill(signum)):
            yield
    except ProcessExitedException as error:
        status = error.exit_code if error.exit_code > 0 else 128 - error.exit_code  # -n: ended by signal n
        if status - 128 not in SIGNALS:
            raise
        raise Interrupted(status - 128) from error
