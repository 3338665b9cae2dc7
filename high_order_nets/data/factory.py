"""From the config's data set to the data."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from ..errors import UserError
from ..paths import data_root
from ..settings import Config
from .base import Data
from .images.augment import Augment
from .images.module import ImageDataModule, ImageSettings
from .images.prepared import load_images
from .points.module import PointDataModule, PointSettings
from .points.tables import Points, read_points
from .points.targets import draw_points


def image_data_module(config: Mapping[str, Any]) -> ImageDataModule:
    """Build the data module that a resolved run config asks for; raises UserError where it cannot be had."""
    dataset = config["dataset"]
    settings = ImageSettings(
        augment=Augment(**dataset["augment"]) if config["augment"] else None,
        **{key: dataset[key] for key in ("subset", "normalize", "interval", "image_size")},
        **{key: config[key] for key in ("batch_size", "seed", "train_fraction", "val_fraction", "num_workers")},
    )
    images = load_images(dataset["name"], Path(dataset["root"]))
    if len(images.classes) < 2:
        rule = "telling classes apart needs at least two, named in the metadata `classes` of its file"
        raise UserError(f"dataset={config['choices']['dataset']}: holds one class, {', '.join(images.classes)}; {rule}")
    return ImageDataModule(images, settings)


def point_data_module(config: Config) -> PointDataModule:
    """Build the data module of a function or a table."""
    settings = PointSettings(
        dtype=torch.float64 if config["precision"] == "64-true" else torch.float32,
        **{key: config["dataset"][key] for key in ("normalize", "interval", "standardize")},
        **{key: config[key] for key in ("batch_size", "seed", "train_fraction", "val_fraction")},
    )
    return PointDataModule(_points(config["dataset"], config["seed"]), settings)


def _points(dataset: Config, seed: int) -> Points:
    if "target" in dataset:
        return draw_points(dataset["target"], dataset["points"], dataset["test_points"], dataset["noise"], seed)
    if dataset["path"] is None:
        raise UserError("dataset.path=null: expected a CSV with named columns, or an npz with x and y")
    return read_points(Path(dataset["path"]), dataset["inputs"], dataset["outputs"], dataset["test_fraction"])


KINDS: dict[str, Callable[[Config], Data]] = {"images": image_data_module, "points": point_data_module}
"""From `dataset.kind` to the data."""


def make_data(config: Config) -> Data:
    """Make the data that a resolved run config asks for; raises UserError where it cannot be had."""
    kind = config["dataset"].get("kind", "images")
    if kind not in KINDS:
        raise UserError(f"dataset.kind={kind}: unknown kind of data; expected one of {', '.join(KINDS)}")
    return KINDS[kind](config)


def located(config: Config) -> Config:
    """Point the config of a checkpoint from another machine or folder to the data of this one; start no processes."""
    dataset = config["dataset"]
    config = config | {"num_workers": 0, "compile": False}
    if "root" not in dataset:  # data that lie in no folder
        return config
    if (Path(dataset["root"]) / f"{dataset['name']}.safetensors").exists():
        return config
    return config | {"dataset": dataset | {"root": str(data_root())}}
