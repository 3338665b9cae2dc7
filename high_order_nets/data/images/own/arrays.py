"""Images and labels as arrays of an npz, in the names of MedMNIST."""

from pathlib import Path

import numpy as np

from ....errors import UserError
from .listing import Item, Listing, Splits, named, stem

SAMPLES = (1, 3, 4)
"""Of a pixel: grey, colour, colour with what shows through."""
KEYS = "train_images, train_labels, test_images and test_labels, and perhaps val_images and val_labels"


def npz_listing(path: Path, place: Path, *options: object) -> Listing:
    """List the images of an npz; it is only opened when they are asked for, and what it holds is never unpickled."""
    if not path.is_file():
        raise UserError(f"dataset.path={path}: no such file; expected an npz of {KEYS}")
    said = f"dataset.path={path}"
    return Listing(said, stem(path, [path], *options), place, lambda: _splits(path, said))


def _splits(path: Path, said: str) -> Splits:
    arrays = _opened(path, said)
    found = [split for split in ("train", "val", "test") if f"{split}_images" in arrays or f"{split}_labels" in arrays]
    if "train" not in found or any(f"{split}_{kind}" not in arrays for split in found for kind in ("images", "labels")):
        raise UserError(f"{said}: holds {named(sorted(arrays)) or 'nothing'}; expected {KEYS}")
    return {split: _items(arrays, split, said) for split in found}


def _opened(path: Path, said: str) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as stream:
            file = np.load(stream, allow_pickle=False)
            if isinstance(file, np.ndarray):
                raise TypeError("it is a single array")
            wanted = [key for key in file.files if key.endswith(("_images", "_labels")) or key == "classes"]
            return {key: file[key] for key in wanted}
    except Exception as error:  # a stranger's file may fail anywhere
        reason = " ".join(str(error).split()) or type(error).__name__
        if "Object arrays" in reason:
            reason = "it holds Python objects, which are never opened: save plain arrays, by numpy.savez"
        elif "pickled" in reason:  # what numpy says of any file that is no zip
            reason = "it is none, and pickles are never opened"
        raise UserError(f"{said}: cannot be read as an npz: {reason}") from error


def _items(arrays: dict[str, np.ndarray], split: str, said: str) -> list[Item]:
    key = f"{split}_images"
    images = _pixels(arrays[key], f"{said}: {key}")
    labels = _labels(arrays, split, said)
    if len(images) != len(labels):
        raise UserError(f"{said}: {len(images)} {key} and {len(labels)} {split}_labels; expected a label an image")
    pairs = zip(images, labels, strict=True)
    return [Item(f"{key}[{index}]", label, image) for index, (image, label) in enumerate(pairs)]


def _pixels(images: np.ndarray, said: str) -> np.ndarray:
    """Give the images as (N, height, width) or (N, height, width, samples)."""
    form = f"{said} is {images.dtype} {images.shape}"
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or not images.size:
        raise UserError(f"{form}; expected uint8, 0 to 255, (N, H, W), (N, H, W, C) or (N, C, H, W)")
    if images.ndim == 3:
        return images
    first, last = images.shape[1] in SAMPLES, images.shape[3] in SAMPLES
    if first == last:
        rule = "either of two may be the colours" if first else "colours are 1, 3 or 4"
        raise UserError(f"{form}: {rule}; save it as (N, H, W), or as (N, H, W, 3) of larger images")
    images = np.moveaxis(images, 1, 3) if first else images
    return images[..., 0] if images.shape[3] == 1 else images


def _labels(arrays: dict[str, np.ndarray], split: str, said: str) -> list[str]:
    """Give the class of each image by name: words or whole numbers, which `classes` may give names to."""
    key = f"{split}_labels"
    labels = arrays[key]
    form = f"{said}: {key} is {labels.dtype} {labels.shape}"
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or labels.dtype.kind not in "iubU":
        raise UserError(f"{form}; expected whole numbers or words (N,) or (N, 1), one an image")
    if "classes" not in arrays or labels.dtype.kind == "U":
        return [str(label) for label in labels.astype(int if labels.dtype.kind == "b" else labels.dtype).tolist()]
    names = arrays["classes"]
    if names.ndim != 1 or names.dtype.kind != "U" or not 0 <= labels.min() <= labels.max() < len(names):
        raise UserError(f"{said}: classes {names.dtype} {names.shape}; expected a name for each of {key}")
    return [str(names[label]) for label in labels]
