"""A data set as one file of plain tensors, ROOT/<name>.safetensors: made once, mapped into memory afterwards."""

import json
import logging
from functools import partial
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save

from ...errors import UserError
from ...files import whole_file
from ..prepared import prepared, read_tensors
from .digits import load_digits
from .sources import SOURCES, Source, find_source
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
    if path.exists():
        return read_prepared(path, name)
    if name not in SOURCES:
        raise UserError(f"dataset {name!r}: no file {path}; known without one: digits, {', '.join(SOURCES)}")
    source = find_source(name, root)
    return read_prepared(prepared(path, partial(_make, source, root), source.present), name)


def read_prepared(path: Path, name: str) -> ImageData:
    """Map the prepared file of the data set `name`; raise UserError unless it is whole and of that data set."""
    try:
        metadata, tensors = read_tensors(path, name, KEYS)
        data = ImageData(name, _parse_classes(metadata), **tensors, validation=int(metadata.get("validation", "0")))
        data.check()
    except (SafetensorError, OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        again = name in SOURCES or "." in name  # own images have a digest behind the dot
        advice = "delete it and run again" if again else "nothing else can make it: mend it, or name another"
        raise UserError(f"{path} is not a prepared {name} ({reason}): {advice}") from error
    return data


def _parse_classes(metadata: dict[str, str]) -> tuple[str, ...]:
    classes = json.loads(metadata.get("classes", "null"))
    if not isinstance(classes, list) or not classes or not all(isinstance(label, str) for label in classes):
        raise ValueError('its metadata key classes must hold a JSON list of class names, such as ["cat", "dog"]')
    return tuple(classes)


def _make(source: Source, root: Path, path: Path) -> None:
    """Make the prepared file of the data set's own files, which are fetched where they are not there."""
    if not source.present():
        log.info("downloading %s to %s", source.name, root)
        source.download()
    source.verify()
    log.info("preparing %s", path)
    _write(source.read(), path)


def _write(data: ImageData, path: Path) -> None:
    """Write the file whole or not at all."""
    metadata = {"dataset": data.name, "classes": json.dumps(data.classes)}
    with whole_file(path) as part:
        part.write_bytes(save({key: getattr(data, key) for key in KEYS}, metadata))
