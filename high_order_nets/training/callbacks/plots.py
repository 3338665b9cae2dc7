"""Draws a run, during it and at its end."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from ...plots.draw import Settings, draw, ending, write
from ...plots.observe import check_layers
from ...run.layout import PLOTS
from ...settings import Config, is_shared_out
from ...tasks.experiment import Experiment
from ..loggers.base import loggers_of

log = logging.getLogger(__name__)


def make_plots(config: Config, experiment: Experiment, folder: Path) -> list[pl.Callback]:
    """Make the callback that draws a run, where asked for; UserError for `plots.layers` that the network has not."""
    plots = config["plots"]
    if not plots["enabled"] or is_shared_out(config):  # no process has a network to look at
        return []
    check_layers(experiment.task.net, plots["layers"])
    return [Plots(folder, Settings.of(config), plots["every_n_epochs"])]


@contextmanager
def unharmed() -> Iterator[None]:
    """Make a warning of what goes wrong in drawing, whatever it is: the run matters more."""
    try:
        yield
    except Exception as error:
        log.warning("plots: not drawn: %s: %s", type(error).__name__, " ".join(str(error).split()))


class Plots(pl.Callback):
    """Draw at the end of training, and every so many epochs, into plots/ and to the loggers.

    Training does not notice: no random number is drawn, no state changed, and what goes wrong is one line of warning.
    """

    def __init__(self, folder: Path, settings: Settings, every: int | None):
        self._folder, self._settings, self._every = folder, settings, every
        self._ended = False

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw where it is time; the last epoch is left to the end."""
        epochs = trainer.current_epoch + 1
        if self._every and epochs % self._every == 0 and epochs != trainer.max_epochs:
            self._draw(trainer, pl_module, epochs, ending(epochs))

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw what was learned."""
        self._draw(trainer, pl_module, trainer.current_epoch, "")
        self._ended = True

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw what was learned before the run was stopped, where nothing was left to train."""
        if not self._ended:
            self._draw(trainer, pl_module, trainer.current_epoch, "")

    def _draw(self, trainer: pl.Trainer, module: Any, epochs: int, suffix: str) -> None:
        if not trainer.is_global_zero:
            return
        with unharmed():
            data: Any = trainer.datamodule  # type: ignore[attr-defined]
            for name, figure in draw(module, data, self._folder, self._settings, epochs):
                _, image = write(figure, self._folder / PLOTS, name, self._settings, suffix)
                for logger in loggers_of(trainer):
                    logger.log_picture(f"{PLOTS}/{name}", image, trainer.global_step)
