"""From a network, its data and its history to pictures."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..data import ImageDataModule
from ..tasks import Classification
from .build import Config
from .epochs import HISTORY, read_history
from .observe import choose_layers, training_images, watch

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger(__name__)
FOLDER = "plots"
MOST = 60
"""Layers whose functions fit on one picture."""
LAYERS = 6


@dataclass(frozen=True)
class Settings:
    """Say what is drawn: which layers, from how many images, how fine, under which title."""

    title: str
    layers: int | str | list[str]
    images: int
    batch: int
    dpi: int

    @classmethod
    def of(cls, config: Config) -> "Settings":
        """Read them from a run's config; those of trainer=debug are cheap."""
        layers = config.get("plots", {}).get("layers", LAYERS)
        batch = min(config["batch_size"], 128)
        if config["trainer"].get("debug"):
            few = min(layers, 2) if isinstance(layers, int) else layers
            return cls(describe(config), few, images=batch, batch=batch, dpi=60)
        return cls(describe(config), layers, images=2 * batch, batch=batch, dpi=200)


def describe(config: Config) -> str:
    """Say in a few words what was trained: layer type with its numbers, network, data."""
    choices, layer = config["choices"], config["layer_type"]
    numbers = [f"{key}={layer[key]}" for key in ("n", "segments") if key in layer]
    kind = " ".join([str(choices["layer_type"]), *numbers])
    return f"{kind} · {choices['model_name']} · {choices['dataset']}"


def draw(
    task: Classification, data: ImageDataModule, folder: Path, settings: Settings, epochs: int
) -> "Iterator[tuple[str, np.ndarray]]":
    """Draw the run in this folder after so many epochs: pairs of name and pixels, uint8 (height, width, 3)."""
    from .figures import draw_curves, draw_ranges, draw_synapses, pixels, published  # noqa: PLC0415 - slow to import

    title = f"{settings.title} · epoch {epochs}"
    history = read_history(folder / HISTORY)
    images = training_images(data, settings.images, next(task.parameters()))
    watched = watch(task.net, images, settings.batch)
    with published():
        if history:
            yield "curves", pixels(draw_curves(history, settings.title), settings.dpi)
        yield "ranges", pixels(draw_ranges(watched, title), settings.dpi)
        chosen = choose_layers(watched, settings.layers)
        if len(chosen) > MOST:
            log.info("plots: %d layers answer to plots.layers; the first %d are drawn", len(chosen), MOST)
        if chosen:  # those of later stages are not met under layer_by_layer
            yield "synapses", pixels(draw_synapses(dict(list(chosen.items())[:MOST]), title), settings.dpi)


def ending(epochs: int) -> str:
    """Give what tells a picture drawn after so many epochs from the one at the end."""
    return f"-epoch{epochs:04d}"


def save_png(image: "np.ndarray", folder: Path, name: str, suffix: str = "") -> Path:
    """Write a picture under the folder and give its file; curves, which hold all epochs, go without the suffix."""
    from .figures import save  # noqa: PLC0415 - slow to import

    path = folder / f"{name}{'' if name == 'curves' else suffix}.png"
    save(image, path)
    return path
