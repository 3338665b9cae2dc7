"""From the config's data set to the data."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import fields
from inspect import signature
from pathlib import Path
from typing import Any

import torch

from ..errors import UserError
from ..paths import data_root
from ..settings import Config
from ..targets import find
from .base import Data
from .images.augment import Augment
from .images.mix import Mix
from .images.module import ImageDataModule, ImageSettings
from .images.normalise import Normalisation
from .images.own.prepare import LISTINGS, WANTED, OwnRequest, load_own
from .images.prepared import load_images
from .images.pretrained import of_weights, weights_of
from .images.tensors import ImageData
from .points.burgers import burgers_points
from .points.module import PointDataModule, PointSettings
from .points.pictures import picture_points
from .points.tables import Points, read_points
from .points.targets import draw_points
from .text.corpus import TextRequest, lies_under, load_corpus
from .text.module import TextDataModule, TextSettings

log = logging.getLogger(__name__)


def image_data_module(config: Mapping[str, Any]) -> ImageDataModule:
    """Build the data module that a resolved run config asks for; raises UserError where it cannot be had."""
    return _of_images(_images(config["dataset"]), config)


def _of_images(images: ImageData, config: Mapping[str, Any]) -> ImageDataModule:
    dataset = config["dataset"]
    settings = ImageSettings(
        normalisation=_of_weights(config),
        **_changes(dataset["augment"]) if config["augment"] else {},
        **{key: dataset[key] for key in ("subset", "normalize", "interval", "image_size")},
        **{key: config[key] for key in ("batch_size", "seed", "train_fraction", "val_fraction", "num_workers")},
    )
    split = dataset.get("split", "official")
    images = images.split(split)
    if split != "official":
        held_out = f"{len(images.test_images):,} of the training images, which are held out"
        log.info("dataset.split=%s: the figures of the test are of %s; the test images are not read", split, held_out)
    if settings.normalisation is not None and images.channels != len(settings.normalisation.offset):
        rule = f"torchvision's weights take three, and dataset={config['choices']['dataset']} has {images.channels}"
        raise UserError(f"pretrained=true: of the colours {rule}; take another data set")
    if len(images.classes) < 2:
        rule = "telling classes apart needs at least two, named in the metadata `classes` of its file"
        raise UserError(f"dataset={config['choices']['dataset']}: holds one class, {', '.join(images.classes)}; {rule}")
    return ImageDataModule(images, settings)


def _images(dataset: Config) -> ImageData:
    """Open images by name, or one's own, which are named by their folder or their file."""
    name = dataset["name"]
    if name not in LISTINGS:
        return load_images(name, Path(dataset["root"]))
    key = "root" if name == "folder" else "path"
    if dataset[key] is None:
        raise UserError(f"dataset.{key}=null: {WANTED[name]}")
    path, root = (Path(str(dataset[each])).expanduser().absolute() for each in (key, "root"))
    options = ("image_size", "channels", "test_fraction", "skip_unreadable")
    return load_own(OwnRequest(name, path, root, **{each: dataset[each] for each in options}))


def _of_weights(config: Mapping[str, Any]) -> Normalisation | None:
    """Give the scaling that torchvision's weights were trained with, where the network begins with them."""
    if not config.get("pretrained"):
        return None
    return of_weights(weights_of(config["model_name"]["_target_"]), config["dataset"]["image_size"])


def _changes(augment: Config) -> dict[str, Any]:
    """Part what is done to each image from what is done to a batch."""
    names = {field.name for field in fields(Mix)}
    mix = Mix(**{key: value for key, value in augment.items() if key in names})
    return {
        "augment": Augment(**{key: augment[key] for key in augment.keys() - names}),
        "mix": mix if mix.mixup or mix.cutmix else None,
    }


def point_data_module(config: Config) -> PointDataModule:
    """Build the data module of a function, a table, a picture or an equation."""
    return _of_points(_points(config["dataset"], config["seed"]), config)


def _of_points(points: Points, config: Config) -> PointDataModule:
    settings = PointSettings(
        dtype=torch.float64 if config["precision"] == "64-true" else torch.float32,
        **{key: config["dataset"][key] for key in ("normalize", "interval", "standardize")},
        **{key: config[key] for key in ("batch_size", "seed", "train_fraction", "val_fraction")},
    )
    return PointDataModule(points, settings)


def _points(dataset: Config, seed: int) -> Points:
    if "target" in dataset:
        return draw_points(dataset["target"], dataset["points"], dataset["test_points"], dataset["noise"], seed)
    if "edge_points" in dataset:
        return burgers_points(dataset["points"], dataset["edge_points"], seed)
    if "photograph" in dataset:
        path = None if dataset["path"] is None else Path(dataset["path"]).expanduser()
        return picture_points(dataset["photograph"], path, dataset["size"], dataset["channels"])
    if dataset["path"] is None:
        raise UserError("dataset.path=null: expected a CSV with named columns, or an npz with x and y")
    return read_points(Path(dataset["path"]), dataset["inputs"], dataset["outputs"], dataset["test_fraction"])


def text_data_module(config: Mapping[str, Any]) -> TextDataModule:
    """Build the text that a resolved run config asks for; raises UserError where it cannot be had."""
    dataset = config["dataset"]
    settings = TextSettings(
        **{key: dataset[key] for key in ("bptt", "stride")},
        **{key: config[key] for key in ("batch_size", "seed", "train_fraction", "num_workers")},
    )
    return TextDataModule(load_corpus(text_request(config)), settings)


def text_request(config: Mapping[str, Any]) -> TextRequest:
    """Say which text a resolved run config asks for."""
    dataset = config["dataset"]
    path = dataset.get("path")
    return TextRequest(
        root=Path(dataset["root"]),
        urls=tuple(dataset.get("urls", ())),
        path=None if path is None else Path(path),
        val_fraction=config["val_fraction"],
        **{key: dataset[key] for key in ("name", "tokenizer", "vocabulary")},
        **{key: dataset[key] for key in ("min_count", "test_fraction") if key in dataset},
    )


def own_data(config: Config) -> Data:
    """Build data of one's own: what a function gives, images or points, is served as ours are; a Data serves itself."""
    target = config["dataset"]["_target_"]
    build = find(target, "dataset")
    known = config | config["dataset"]
    parameters = signature(build).parameters
    if missing := [key for key, each in parameters.items() if each.default is each.empty and key not in known]:
        raise UserError(f"dataset={target}: needs {', '.join(missing)}, which the config does not say")
    made = build(**{key: known[key] for key in parameters if key in known})
    if isinstance(made, Data):
        return made
    if not isinstance(made, ImageData | Points):
        raise UserError(f"dataset={target}: gave {type(made).__name__}; expected ImageData, Points or a Data")
    try:
        made.check()
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(f"dataset={target}: {error}") from error
    return _of_images(made, config) if isinstance(made, ImageData) else _of_points(made, config)


KINDS: dict[str, Callable[[Config], Data]] = {
    "images": image_data_module,
    "text": text_data_module,
    "points": point_data_module,
}
"""From `dataset.kind` to the data."""


def make_data(config: Config) -> Data:
    """Make the data that a resolved run config asks for; raises UserError where it cannot be had."""
    kind = config["dataset"].get("kind", "images")
    if "_target_" in config["dataset"]:
        return own_data(config)
    if kind not in KINDS:
        raise UserError(f"dataset.kind={kind}: unknown kind of data; expected one of {', '.join(KINDS)}")
    try:
        return KINDS[kind](config)
    except KeyError as error:
        rule = f"needs the key {error}, which dataset={config['choices']['dataset']} has not"
        raise UserError(f"dataset.kind={kind}: {rule}; leave the kind to the data set") from error


def located(config: Config) -> Config:
    """Point the config of a checkpoint from another machine or folder to the data of this one; start no processes."""
    dataset = config["dataset"]
    config = config | {"num_workers": 0, "compile": False}
    if "root" not in dataset or dataset.get("name") in LISTINGS:  # data that lie in no folder, or in the user's own
        return config
    root = Path(dataset["root"])
    text = dataset.get("kind") == "text"
    if lies_under(dataset["name"], root) if text else (root / f"{dataset['name']}.safetensors").exists():
        return config
    return config | {"dataset": dataset | {"root": str(data_root())}}
