"""TensorBoard as people read it: tags in groups, steps that only grow, one row a run in the HParams tab."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import TensorBoardLogger

from ..metrics import headline, is_speed, reported, split
from ..run.folder import Run
from ..settings import Config

STRAIGHT = ("epoch", "epochs", "seconds")
"""Figures that grow by the same amount every epoch: nothing to see."""
NAMES = ("layer_type", "n", "segments", "scale", "model_name", "dataset", "optimizer", "learning_rate", "seed")
"""The settings that it shows of every run, before those that the command line set."""
RATES = {None: "train/learning_rate", "pg1": "train/learning_rate", "weights": "train/learning_rate"}
RATES |= {"functions": "train/learning_rate_of_functions"}
"""The tags of learning rates by group, nameless in 0.1; those of other groups rise and fall with that of weights."""
PLACES = ("run_dir", "root", "dataset.root", "trainer", "resume")


def tag(name: str) -> str | None:
    """Return the tag of a logged figure, `val/acc` of val_acc; None for one that is not drawn."""
    if name in STRAIGHT:
        return None
    if is_speed(name) or name == "seconds_per_epoch":
        return f"speed/{name}"
    if rate := re.fullmatch(r"lr-\w+?(?:/(\w+))?", name):
        return RATES.get(rate[1])
    part, figure = split(name)
    return f"{part}/{figure.removesuffix('_epoch')}" if part else name


class Board(TensorBoardLogger):
    """Log figures under the tags of `tag`, and a finished run's settings and results for the HParams tab."""

    @property
    def log_dir(self) -> str:
        """The folder of the event files, as it is called: Lightning would put variables in for $NAME."""
        return str(Path(self.root_dir) / str(self.version))

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log figures by the names that the training gives them."""
        super().log_metrics({found: value for name, value in metrics.items() if (found := tag(name))}, step)

    def log_run(self, config: Config, figures: Mapping[str, Any]) -> None:
        """Add the run's row: settings and sizes, then the figures that it is judged by, and its speed.

        The values are the last ones logged under these tags: logging them again, at any other step, would make the data
        server take the run for one that has started anew.
        """
        names = [*reported(figures, [headline(figures)]), *filter(is_speed, figures)]
        results = {found: figures[name] for name in names if name in figures and (found := tag(name))}
        from torch.utils.tensorboard.summary import hparams  # noqa: PLC0415 - at import it would try a socket

        # add_hparams would write it into a run, and a folder, of its own; nothing public gives this one's writer.
        writer = self.experiment._get_file_writer()
        for summary in hparams(shown_settings(config) | sizes(figures), results):
            writer.add_summary(summary)


def sizes(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the network costs."""
    return {name: figures[name] for name in ("parameters", "macs") if name in figures}


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
