"""From `logger=` to the loggers of a run."""

from collections.abc import Callable
from pathlib import Path

from pytorch_lightning.loggers import Logger

from ...run.layout import TENSORBOARD
from ...settings import Config
from .csv import Csv
from .mlflow import MLflow
from .tensorboard import Board
from .wandb import Wandb


def make_loggers(config: Config, folder: Path, start: int) -> list[Logger]:
    """Make the loggers of a run that begins with step `start`; what it does again is in none of them twice.

    UserError for what a logger cannot do here.
    """
    return [LOGGERS[name](config, folder, start) for name in config["logger"]]


def _board(_config: Config, folder: Path, start: int) -> Board:
    """Make TensorBoard's, which drops the points beyond a purge step."""
    return Board(folder, name="", version=TENSORBOARD, default_hp_metric=False, purge_step=start or None)


LOGGERS: dict[str, Callable[[Config, Path, int], Logger]] = {
    "tensorboard": _board,
    "csv": lambda _, folder, start: Csv(folder, start),
    "wandb": lambda config, folder, start: Wandb(config, folder, anew=not start),
    "mlflow": lambda config, folder, start: MLflow(config, folder, anew=not start),
}
