"""The bar of a terminal, and the log's lines above it."""

import logging
import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import RichProgressBar
from pytorch_lightning.callbacks.progress.rich_progress import BatchesProcessedColumn
from rich.file_proxy import FileProxy
from rich.progress import BarColumn, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text


class Progress(RichProgressBar):
    """Show the epoch, counted from 1, the time that the whole run still takes, learning rate, loss and headline.

    One line, cut at the terminal's width. While it is there, what is logged goes through its console: written beside
    it, lines would be drawn over.
    """

    def __init__(self) -> None:
        super().__init__(leave=False)
        self._streams: list[tuple[Any, Any]] = []

    def configure_columns(self, trainer: pl.Trainer) -> list[ProgressColumn]:
        """Make the columns; Lightning adds an empty one."""
        return [
            TextColumn("{task.description}", table_column=Column(no_wrap=True)),
            BarColumn(bar_width=12),
            BatchesProcessedColumn(style=self.theme.batch_progress),
            _Figures(trainer, table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
        ]

    def get_metrics(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """Give Lightning's own column nothing: it would break the line."""
        return {}

    def _get_train_description(self, current_epoch: int) -> str:
        return f"epoch {current_epoch + 1}/{self.trainer.max_epochs}"

    def _init_progress(self, trainer: pl.Trainer) -> None:
        super()._init_progress(trainer)
        if self._console is None or self._streams:
            return
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.StreamHandler) and handler.stream.isatty():
                self._streams.append((handler, handler.stream))
                handler.setStream(FileProxy(self._console, handler.stream))

    def _stop_progress(self) -> None:
        super()._stop_progress()
        for handler, stream in self._streams:
            handler.setStream(stream)
        self._streams = []


class _Figures(ProgressColumn):
    """Show the time left, the learning rate and the metrics, the most wanted first."""

    max_refresh = 0.2

    def __init__(self, trainer: pl.Trainer, table_column: Column):
        super().__init__(table_column)
        self._trainer = trainer
        self._start: tuple[float, int] | None = None

    def render(self, task: Task) -> Text:
        """Give the text."""
        trainer = self._trainer
        if trainer.state.fn != "fit":
            return Text("")
        metrics = trainer.progress_bar_metrics
        shown = _shown(str(trainer.lightning_module.headline))
        parts = [f"{label} {float(metrics[name]):.3f}" for name, label in shown.items() if name in metrics]
        rate = trainer.optimizers[0].param_groups[0]["lr"] if trainer.optimizers else 0.0
        return Text("  ".join([f"{clock(self._left())} left", f"lr {rate:.2g}", *parts]))

    def _left(self) -> float | None:
        """Return the seconds that the rest of the run takes at the pace so far; None before the first step."""
        trainer = self._trainer
        if not trainer.optimizers or not isinstance(trainer.max_epochs, int):
            return None
        done, total = trainer.global_step, trainer.estimated_stepping_batches
        if self._start is None:
            self._start = time.monotonic(), done
        since, first = self._start
        if done <= first:
            return None
        return (time.monotonic() - since) / (done - first) * max(0.0, total - done)


def _shown(headline: str) -> dict[str, str]:
    """Name what is shown of the metrics, after the learning rate: the step's loss, then the headline."""
    running = {} if headline == "loss" else {f"train_{headline}": headline}
    return {"train_loss_step": "loss"} | running | {f"val_{headline}": f"val_{headline}"}


def clock(seconds: float | None) -> str:
    """Write a duration as 1:02:03 or 2:03; -:-- where it is not known."""
    if seconds is None:
        return "-:--"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
