"""From the config's data set to the data."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..paths import data_root
from ..settings import Config
from .images.augment import Augment
from .images.module import ImageDataModule, ImageSettings
from .images.prepared import load_images


def image_data_module(config: Mapping[str, Any]) -> ImageDataModule:
    """Build the data module that a resolved run config asks for; raises UserError where it cannot be had."""
    dataset = config["dataset"]
    settings = ImageSettings(
        augment=Augment(**dataset["augment"]) if config["augment"] else None,
        **{key: dataset[key] for key in ("subset", "normalize", "interval", "image_size")},
        **{key: config[key] for key in ("batch_size", "seed", "train_fraction", "val_fraction", "num_workers")},
    )
    return ImageDataModule(load_images(dataset["name"], Path(dataset["root"])), settings)


def located(config: Config) -> Config:
    """Point the config of a checkpoint from another machine or folder to the data of this one; start no processes."""
    dataset = config["dataset"]
    config = config | {"num_workers": 0, "compile": False}
    if (Path(dataset["root"]) / f"{dataset['name']}.safetensors").exists():
        return config
    return config | {"dataset": dataset | {"root": str(data_root())}}
