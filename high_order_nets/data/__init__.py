"""Image data sets: found or fetched once, kept as one file of tensors, served and augmented by whole batches."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .augment import Augment
from .images import ImageData
from .module import ImageDataModule, ImageSettings
from .prepared import load_images

__all__ = ["Augment", "ImageData", "ImageDataModule", "ImageSettings", "image_data_module", "load_images"]


def image_data_module(config: Mapping[str, Any]) -> ImageDataModule:
    """Build the data module that a resolved run config asks for; raises UserError where it cannot be had."""
    dataset = config["dataset"]
    settings = ImageSettings(
        augment=Augment(**dataset["augment"]) if config["augment"] else None,
        **{key: dataset[key] for key in ("subset", "normalize", "interval", "image_size")},
        **{key: config[key] for key in ("batch_size", "seed", "train_fraction", "val_fraction", "num_workers")},
    )
    return ImageDataModule(load_images(dataset["name"], Path(dataset["root"])), settings)
