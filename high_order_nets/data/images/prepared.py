"""A data set as one file of plain tensors, ROOT/<name>.safetensors: made once, mapped into memory afterwards."""

import errno
import json
import logging
import os
from pathlib import Path

import torch
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from ...errors import UserError
from ...files import whole_file
from .digits import load_digits
from .sources import SOURCES, find_source
from .tensors import ImageData

log = logging.getLogger(__name__)

KEYS = ("train_images", "train_labels", "test_images", "test_labels")


def load_images(name: str, root: Path) -> ImageData:
    """Open the data set `name`: digits, mnist, cifar10, cifar100, or any that has a prepared file.

    ROOT/<name>.safetensors is mapped where it exists. Else it is made: from torchvision's files under `root`, or from a
    download. `digits` needs no root. Raises UserError for a bad file, a wrong checksum, or neither data nor network.
    """
    if name == "digits":
        return load_digits()
    root = root.expanduser().absolute()
    path = root / f"{name}.safetensors"
    if not path.exists():
        if name not in SOURCES:
            raise UserError(f"dataset {name!r}: no file {path}; known without one: digits, {', '.join(SOURCES)}")
        path = _prepared(name, root, path)
    return read_prepared(path, name)


def _prepared(name: str, root: Path, path: Path) -> Path:
    """Make the prepared file and say where it lies: in the user's cache where the files lie in a read-only folder.

    There one file serves all roots: it is made of files whose checksums are known.
    """
    try:
        _prepare_once(name, root, path)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS) or not find_source(name, root).present():
            raise _unwritable(path, error) from error
    else:
        return path
    cached = cache_folder() / path.name
    try:
        if not cached.exists():
            log.info("%s cannot be written: the prepared file goes to %s", root, cached)
        _prepare_once(name, root, cached)
    except OSError as error:
        raise _unwritable(cached, error) from error
    return cached


def _unwritable(path: Path, error: OSError) -> UserError:
    return UserError(f"cannot prepare {path}: {error}; dataset.root must be a folder that can be written")


def cache_folder() -> Path:
    """Return the folder of this user's prepared files: under $XDG_CACHE_HOME, or ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "high-order-nets"


def read_prepared(path: Path, name: str) -> ImageData:
    """Map the prepared file of the data set `name`; raise UserError unless it is whole and of that data set."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in KEYS}
        if metadata.get("dataset") != name:
            raise ValueError(f"its metadata key dataset is {metadata.get('dataset')!r}, not {name!r}")
        data = ImageData(name, _parse_classes(metadata), **tensors)
        for split in ("train", "test"):
            _check_split(tensors[f"{split}_images"], tensors[f"{split}_labels"], data)
    except (SafetensorError, OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        advice = "delete it and run again" if name in SOURCES else "nothing else can make it: mend it, or name another"
        raise UserError(f"{path} is not a prepared {name} ({reason}): {advice}") from error
    return data


def _parse_classes(metadata: dict[str, str]) -> tuple[str, ...]:
    classes = json.loads(metadata.get("classes", "null"))
    if not isinstance(classes, list) or not classes or not all(isinstance(label, str) for label in classes):
        raise ValueError('its metadata key classes must hold a JSON list of class names, such as ["cat", "dog"]')
    return tuple(classes)


def _check_split(images: torch.Tensor, labels: torch.Tensor, data: ImageData) -> None:
    """Raise ValueError unless the images are square uint8 of one shape, with a label in range for each."""
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[2] != images.shape[3] or not images.numel():
        raise ValueError(f"images are {images.dtype} {tuple(images.shape)}, not square uint8 (N, C, H, W)")
    if images.shape[1:] != data.train_images.shape[1:]:
        raise ValueError("training and test images differ in shape")
    if labels.dtype != torch.int64 or labels.shape != images.shape[:1]:
        raise ValueError(f"labels are {labels.dtype} {tuple(labels.shape)}, not one int64 an image")
    if labels.min() < 0 or labels.max() >= len(data.classes):
        raise ValueError(f"labels lie outside 0 … {len(data.classes) - 1}")


def _prepare_once(name: str, root: Path, path: Path) -> None:
    """Make the prepared file, or wait for the process that is making it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.parent / f".{name}.lock"):
        if path.exists():
            return
        source = find_source(name, root)
        if not source.present():
            log.info("downloading %s to %s", name, root)
            source.download()
        source.verify()
        log.info("preparing %s", path)
        _write(source.read(), path)


def _write(data: ImageData, path: Path) -> None:
    """Write the file whole or not at all."""
    metadata = {"dataset": data.name, "classes": json.dumps(data.classes)}
    with whole_file(path) as part:
        part.write_bytes(save({key: getattr(data, key) for key in KEYS}, metadata))
