"""Images of one's own as a prepared file: read once, cut to squares of one size, mapped into memory afterwards."""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image

from ....errors import UserError
from ....files import whole_file
from ...prepared import prepared
from ...split import stratified
from ..files import Unreadable, glance, open_image, squared
from ..prepared import read_prepared
from ..tensors import ImageData
from .arrays import KEYS, npz_listing
from .folders import LAYOUT, folder_listing
from .listed import COLUMNS, csv_listing
from .listing import Item, Listing, Splits, classes_of, named
from .stream import write_stream

log = logging.getLogger(__name__)
T = TypeVar("T")

SIZE = 64
"""Pixels a side of images that are not all square and alike, where nobody says it."""
AT_ONCE = 256
"""Images that are in memory while they are read."""
THREADS = min(8, os.cpu_count() or 1)
"""They read side by side: PIL lets go of the interpreter where it decodes and scales."""
ORDER = ("train", "val", "test")
"""Of the splits in the prepared file."""
LISTINGS = {"folder": folder_listing, "csv": csv_listing, "npz": npz_listing}
"""By `dataset.name`: from the path, the folder of what is prepared, and options, to what there is."""
WANTED = {"folder": f"name a folder; {LAYOUT}", "csv": f"name a CSV; {COLUMNS}", "npz": f"name an npz of {KEYS}"}
"""What the path is to be."""


@dataclass(frozen=True)
class OwnRequest:
    """Says which images are wanted: `path` is their folder or file, `root` gets what is prepared of a file.

    `image_size` None keeps them as they are where all are square and alike; `channels` None makes them grey where all
    are. Where they bring none to test on, `test_fraction` of each class is kept for it, always the same ones.
    """

    name: str
    path: Path
    root: Path
    image_size: int | None = None
    channels: int | None = None
    test_fraction: float = 0.2
    skip_unreadable: bool = False


def load_own(request: OwnRequest) -> ImageData:
    """Open images of one's own: map what is prepared of them, which is made anew where a file or an option changes.

    It lies in their folder, or of a file under the root; in the user's cache where those are read-only. Raises
    UserError for what cannot be read, and for what does not go together.
    """
    options = request.image_size, request.channels, request.test_fraction, request.skip_unreadable
    listing = LISTINGS[request.name](request.path, request.root, *options)
    other = hashlib.sha256(os.fsencode(request.path)).hexdigest()[:8]  # one cache serves all folders
    path = prepared(
        listing.place / f"{listing.stem}.safetensors",
        partial(_make, listing, request),
        lambda: True,
        lambda: f"{listing.stem}-{other}.safetensors",
    )
    data = read_prepared(path, listing.stem)
    train = len(data.train_images) - data.validation
    counts = f"{train:,} images to train on, {data.validation:,} to validate, {len(data.test_images):,} to test on"
    form = f"{len(data.classes)} classes, {data.channels}×{data.image_size}×{data.image_size}"
    log.info("%s: %s, %s, from %s", listing.said, counts, form, path)
    return data


def _make(listing: Listing, request: OwnRequest, path: Path) -> None:
    splits, said = listing.splits(), listing.said
    classes = classes_of(splits, said)
    if bare := [split for split, items in splits.items() if not items]:
        raise UserError(f"{said}: {bare[0]} has no images; put some there, or remove it")
    if "test" not in splits:
        splits = _divided(splits, request.test_fraction, said)
    items = [item for part in splits.values() for item in part]
    log.info("%s: reading %s images, this once, for %s", said, f"{len(items):,}", path)
    shape = _shape(items, request, said)
    metadata = {"dataset": listing.stem, "classes": json.dumps(classes)}
    with whole_file(path) as part:
        write_stream(part, shape, _images(splits, classes, shape, said, skip=request.skip_unreadable), metadata)


def _divided(splits: Splits, fraction: float, said: str) -> Splits:
    """Keep a part of each class of the training images to test on."""
    train = splits["train"]
    numbers = {label: number for number, label in enumerate(dict.fromkeys(item.label for item in train))}
    labels = torch.tensor([numbers[item.label] for item in train])
    rest, held_out = stratified(labels, fraction)
    parts = f"{len(rest):,} of its images to train on and {len(held_out):,} to test on"
    if len(labels[rest].unique()) < len(numbers) or not len(held_out):
        rule = "each class must keep one to train on; bring others as test"
        raise UserError(f"{said}: dataset.test_fraction={fraction} of each class leaves {parts}; {rule}")
    log.info("%s: brings no test: dataset.test_fraction=%s of each class leaves %s", said, fraction, parts)
    return {**splits, "train": [train[i] for i in rest.tolist()], "test": [train[i] for i in held_out.tolist()]}


def _shape(items: Sequence[Item], request: OwnRequest, said: str) -> tuple[int, int, int]:
    """Return the shape (C, S, S) that the images get."""
    size, channels = request.image_size, request.channels
    if size is not None and channels is not None:
        return channels, size, size
    looked = [found for _, found in _each(lambda item: glance(item.source), items)]
    readable = [found for found in looked if not isinstance(found, Unreadable)]
    sizes = {found[0] for found in readable}
    if size is None and len(sizes) == 1 and len({*next(iter(sizes))}) == 1:
        size = next(iter(sizes))[0]
    elif size is None:
        size = SIZE
        log.info("%s: not all square and alike: scaled to dataset.image_size=%s, their middle square", said, size)
    return channels or (1 if all(grey for _, grey in readable) else 3), size, size


def _images(
    splits: Splits, classes: Sequence[str], shape: tuple[int, int, int], said: str, *, skip: bool
) -> Iterator[tuple[str, np.ndarray, int]]:
    """Yield split, pixels and label of all images; at the end refuse, or name, those that cannot be read."""
    unreadable, left = [], {split: set[str]() for split in splits}
    for split in sorted(splits, key=ORDER.index):
        for item, pixels in _each(lambda item: _pixels(item, shape), splits[split]):
            if isinstance(pixels, Unreadable):
                unreadable.append(f"{item.where} ({pixels})")
            else:
                left[split].add(item.label)
                yield split, pixels, classes.index(item.label)
    if not unreadable:
        return
    told = f"{said}: {len(unreadable):,} images cannot be read: {named(unreadable)}"
    if not skip:
        raise UserError(f"{told}; mend or remove them, or dataset.skip_unreadable=true leaves them out")
    if bare := [*(name for name in classes if name not in left["train"]), *(s for s in left if not left[s])]:
        raise UserError(f"{told}; no image is left of {named(bare)}")
    log.warning("%s; they are left out", told)


def _pixels(item: Item, shape: tuple[int, int, int]) -> np.ndarray:
    """Read an image as (C, S, S)."""
    channels, size, _ = shape
    pixels = np.array(squared(open_image(item.source, channels), size))
    return pixels.reshape(size, size, channels).transpose(2, 0, 1)


def _each(read: Callable[[Item], T], items: Sequence[Item]) -> Iterator[tuple[Item, T | Unreadable]]:
    """Yield each item with what is read of it, or why it cannot be read, in order; a few at once are in memory."""

    def tried(item: Item) -> T | Unreadable:
        try:
            return read(item)
        except Unreadable as error:
            return error

    Image.init()  # all of its formats, before threads ask for them
    with ThreadPoolExecutor(THREADS) as pool:
        for first in range(0, len(items), AT_ONCE):
            chunk = items[first : first + AT_ONCE]
            yield from zip(chunk, pool.map(tried, chunk), strict=True)
