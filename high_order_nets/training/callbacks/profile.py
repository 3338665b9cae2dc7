"""Where the time of a few training steps goes."""

import logging
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from torch.profiler import ProfilerActivity, profile

from ...files import whole_file, write_text
from ...run.layout import OPERATIONS, TRACE

log = logging.getLogger(__name__)
WARM_UP, STEPS, LARGEST = 3, 5, 10
"""Steps of the first epoch that are left out, those that are looked at, and the operations that are listed."""


class Profile(pl.Callback):
    """Watch a few steps of a run's first epoch; write a trace for chrome://tracing and a table of what takes longest.

    The trace is `trace.json`, the table `profile.txt`, which is logged too. Of an epoch that is shorter the last steps
    are watched. Of several processes the first is.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._profile: profile | None = None

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Begin after the warm-up."""
        if trainer.current_epoch == 0 and trainer.is_global_zero and batch_idx == _first(trainer):
            on_gpu = trainer.strategy.root_device.type == "cuda"
            activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
            self._profile = profile(activities=activities)
            self._profile.start()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """End, and write what was seen."""
        last = min(_first(trainer) + STEPS, int(trainer.num_training_batches)) - 1
        if self._profile is not None and batch_idx == last:
            self._end(trainer, self._profile, f"profile of steps {_first(trainer) + 1} to {last + 1}")

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """End without a word where the run is stopped meanwhile."""
        if self._profile is not None:
            self._profile.stop()
            self._profile = None

    def _end(self, trainer: pl.Trainer, watched: profile, named: str) -> None:
        watched.stop()
        self._profile = None
        device = "device" if trainer.strategy.root_device.type == "cuda" else "cpu"
        table = watched.key_averages().table(sort_by=f"self_{device}_time_total", row_limit=LARGEST)
        log.info("%s:\n%s", named, table)
        try:
            write_text(self._folder / OPERATIONS, table)
            with whole_file(self._folder / TRACE) as part:
                watched.export_chrome_trace(str(part))
        except OSError as error:  # the run matters more
            log.warning("profile: not written: %s", error.strerror or error)


def _first(trainer: pl.Trainer) -> int:
    """Return the first step that is watched; with fewer steps an epoch than WARM_UP + 1 the last one."""
    return min(WARM_UP, int(trainer.num_training_batches) - 1)
