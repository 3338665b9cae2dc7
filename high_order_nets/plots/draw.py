"""From a network, its data and its history to pictures."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.base import Data
from ..metrics import headline
from ..run.folder import metrics_of
from ..run.history import read_history
from ..run.layout import HISTORY, PLOTS
from ..settings import Config, is_debug
from ..tasks import Autoencoding, Burgers, ImplicitImage, Regression, Task, VariationalAutoencoding
from .observe import choose_layers, watch

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

log = logging.getLogger(__name__)
MOST = 60
"""Layers whose functions fit on one picture."""
LAYERS = 6
OF_TASK: dict[type[Task], str] = {
    Regression: "fits",
    ImplicitImage: "pictures",
    Burgers: "shocks",
    Autoencoding: "images",
    VariationalAutoencoding: "images",
}
"""By task the file beside this one with `draw(task, data, title)`, pairs of name and figure of what was learned."""


@dataclass(frozen=True)
class Settings:
    """Say what is drawn: which layers, from how many images, how fine, under which title, beside a PNG as what."""

    title: str
    layers: int | str | list[str]
    images: int
    batch: int
    dpi: int
    form: str = "png"

    @classmethod
    def of(cls, config: Config) -> "Settings":
        """Read them from a run's config; those of trainer=debug are cheap."""
        layers = config.get("plots", {}).get("layers", LAYERS)
        batch = min(config["batch_size"], 128)
        form = config.get("plots", {}).get("format", "png")
        if is_debug(config):
            few = min(layers, 2) if isinstance(layers, int) else layers
            return cls(describe(config), few, images=batch, batch=batch, dpi=60, form=form)
        return cls(describe(config), layers, images=2 * batch, batch=batch, dpi=200, form=form)


def describe(config: Config) -> str:
    """Say in a few words what was trained: layer type with its numbers, network, data."""
    choices, layer = config["choices"], config["layer_type"]
    numbers = [f"{key}={layer[key]}" for key in ("n", "segments") if key in layer]
    kind = " ".join([str(choices["layer_type"]), *numbers])
    dataset = config["dataset"]
    data = dataset.get("target", dataset.get("photograph", choices["dataset"]))  # by their own names
    return f"{kind} · {choices['model_name']} · {data}"


def draw(task: Task, data: Data, folder: Path, settings: Settings, epochs: int) -> "Iterator[tuple[str, Figure]]":
    """Draw the run in this folder after so many epochs: pairs of name and figure, in the look they are published in."""
    from .ranges import draw_ranges  # noqa: PLC0415 - slow to import
    from .style import published  # noqa: PLC0415 - slow to import
    from .synapses import draw_synapses  # noqa: PLC0415 - slow to import

    title = f"{settings.title} · epoch {epochs}"
    inputs = data.sample(settings.images, next(task.parameters()))
    watched = watch(task.net, inputs, settings.batch)
    with published():
        yield from _curves(folder, settings, tested(folder), task.headline)
        yield "ranges", draw_ranges(watched, title)
        chosen = choose_layers(watched, settings.layers)
        if len(chosen) > MOST:
            log.info("plots: %d layers answer to plots.layers; the first %d are drawn", len(chosen), MOST)
        if type(task) in OF_TASK:
            yield from import_module(f".{OF_TASK[type(task)]}", __package__).draw(task, data, title)
        if chosen:  # those of later stages are not met under layer_by_layer
            yield "synapses", draw_synapses(dict(list(chosen.items())[:MOST]), title)


def redraw_curves(folder: Path, settings: Settings, figures: dict[str, Any]) -> None:
    """Draw the curves of a run again, with the result of its test."""
    from .style import published  # noqa: PLC0415 - slow to import

    with published():
        for name, figure in _curves(folder, settings, figures, headline(figures)):
            write(figure, folder / PLOTS, name, settings)


def _curves(
    folder: Path, settings: Settings, figures: dict[str, Any] | None, judged: str
) -> "Iterator[tuple[str, Figure]]":
    from .curves import draw_curves  # noqa: PLC0415 - slow to import

    history = read_history(folder / HISTORY)
    if history:
        marked = figures if figures and "tested_epoch" in figures else None
        yield "curves", draw_curves(history, settings.title, marked, judged)


def tested(folder: Path) -> dict[str, Any] | None:
    """Read the figures of a run that has been tested; None where there are none."""
    found = metrics_of(folder)
    return found if found.get("status") == "finished" else None


def ending(epochs: int) -> str:
    """Give what tells a picture drawn after so many epochs from the one at the end."""
    return f"-epoch{epochs:04d}"


def write(figure: "Figure", folder: Path, name: str, settings: Settings, suffix: str = "") -> "tuple[Path, np.ndarray]":
    """Write a picture under the folder; give its file and its pixels, uint8 (height, width, 3).

    Curves, which hold all epochs, go without the suffix.
    """
    from .style import pixels, save  # noqa: PLC0415 - slow to import

    path = folder / f"{name}{'' if name == 'curves' else suffix}.png"
    image = pixels(figure, settings.dpi)
    save(figure, image, path, settings.form)
    return path, image
