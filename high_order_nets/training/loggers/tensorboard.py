"""TensorBoard as people read it: tags in groups, steps that only grow, one row a run in the HParams tab."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytorch_lightning.loggers import TensorBoardLogger

from ...run.folder import Run
from ...settings import Config
from .tags import results, sizes, tagged

if TYPE_CHECKING:
    import numpy as np

NAMES = ("layer_type", "n", "segments", "scale", "model_name", "dataset", "optimizer", "learning_rate", "seed")
"""The settings that it shows of every run, before those that the command line set."""
PLACES = ("run_dir", "root", "dataset.root", "trainer", "logger", "resume")


class Board(TensorBoardLogger):
    """Log figures under the tags of `tag`, and a finished run's settings and results for the HParams tab."""

    @property
    def log_dir(self) -> str:
        """The folder of the event files, as it is called: Lightning would put variables in for $NAME."""
        return str(Path(self.root_dir) / str(self.version))

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log figures by the names that the training gives them."""
        super().log_metrics(tagged(metrics), step)

    def log_picture(self, name: str, image: "np.ndarray", step: int) -> None:
        """Log a picture, uint8 (height, width, 3)."""
        self.experiment.add_image(name, image, step, dataformats="HWC")

    def log_run(self, config: Config, figures: Mapping[str, Any]) -> None:
        """Add the run's row: settings and sizes, then the figures that it is judged by, and its speed.

        The values are the last ones logged under these tags: logging them again, at any other step, would make the data
        server take the run for one that has started anew.
        """
        from torch.utils.tensorboard.summary import hparams  # noqa: PLC0415 - at import it would try a socket

        # add_hparams would write it into a run, and a folder, of its own; nothing public gives this one's writer.
        writer = self.experiment._get_file_writer()
        for summary in hparams(shown_settings(config) | sizes(figures), results(figures)):
            writer.add_summary(summary)

    def close(self, status: str) -> None:
        """Write what is left, however the run has ended."""
        self.finalize("success" if status == "finished" else status)


def shown_settings(config: Config) -> dict[str, Any]:
    """Return the settings that tell runs apart: those of NAMES, then what the command line set."""
    own = config["layer_type"]
    read = {"n": own.get("n"), "segments": own.get("segments"), "scale": own.get("length")}
    if config["learning_rate"] is None:
        read["learning_rate"] = config["optimizer"].get("default_learning_rate")
    run = Run(Path(), config)
    found = {key: read[key] if key in read else run.setting(key) for key in (*NAMES, *_typed(config["command"]))}
    return {
        key: each if isinstance(each, bool | int | float | str) else str(each)
        for key, each in found.items()
        if each is not None
    }


def _typed(command: str) -> list[str]:
    """Name the knobs that a command line sets, but for those that only say where things are."""
    keys = [word.partition("=")[0].lstrip("+~") for word in shlex.split(command) if "=" in word]
    keys = ["learning_rate" if key == "lr" else key for key in keys]
    return [key for key in keys if re.fullmatch(r"\w+(\.\w+)*", key) and key not in PLACES]
