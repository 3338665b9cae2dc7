"""Draws a run later, from a checkpoint."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..data.factory import located
from ..errors import UserError
from ..run.checkpoints import load_state, read_checkpoint, refined_epoch
from ..run.layout import DRAWN, PLOTS, locate, run_of
from ..tasks.experiment import Experiment, build, refined_experiment
from .draw import Settings, draw, ending, write
from .observe import check_layers


def redraw(
    path: Path, layers: int | Sequence[str] | None = None, out: Path | None = None, form: str | None = None
) -> list[Path]:
    """Draw what a checkpoint, or the last one of a run's folder, has learned; give the files written.

    They go to the run's plots/, or to `out`; `layers` and `form` replace `plots.layers` and `plots.format`. Raises
    UserError for what is no checkpoint, for layers that the network has not, and where the files cannot be written.
    """
    path = locate(path, DRAWN)
    experiment, settings, epochs = _opened(path)
    if layers is not None:
        settings = replace(settings, layers=layers if isinstance(layers, int) else list(layers))
    settings = settings if form is None else replace(settings, form=form)
    check_layers(experiment.task.net, settings.layers)
    run = run_of(path)
    folder = out or run / PLOTS
    try:
        pictures = draw(experiment.task, experiment.data, run, settings, epochs)
        return [write(figure, folder, name, settings, ending(epochs))[0] for name, figure in pictures]
    except OSError as error:
        raise UserError(f"out={folder}: cannot be written: {error.strerror or error}") from error


def _opened(path: Path) -> tuple[Experiment, Settings, int]:
    """Read the checkpoint: what was trained, how to draw it, and after how many epochs it was saved."""
    checkpoint = read_checkpoint(path)
    try:
        config = located(checkpoint["config"])
        experiment, settings = refined_experiment(build(config), config, refined_epoch(checkpoint)), Settings.of(config)
        epochs = int(checkpoint["progress"]["epoch"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"ckpt={path}: its config is none of high-order-nets: {error!r}") from error
    load_state(experiment.task, checkpoint["state_dict"], path)
    return experiment, settings, epochs
