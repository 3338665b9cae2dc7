"""Writes a prepared file image by image: a set larger than the memory is prepared too."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

ROOM = 2048
"""Bytes that the header takes beside its metadata, at most."""
ALIGNED = 8
"""Where the file is mapped, an int64 must begin at a multiple of its bytes."""


def write_stream(
    path: Path,
    shape: tuple[int, int, int],
    images: Iterable[tuple[str, np.ndarray, int]],
    metadata: Mapping[str, str],
) -> None:
    """Write (split, pixels uint8 of the shape, label) as they come: all of train, then of val, then of test.

    The file is safetensors: the length of a header, the header, the tensors without gaps. How many images there are
    is known at the end, so a room is kept for the header, and filled up with spaces. The images of val are the last
    ones of train_images; the metadata say how many, as `validation`.
    """
    room = -(-(len(json.dumps(metadata)) + ROOM) // ALIGNED) * ALIGNED
    labels: dict[str, list[int]] = {"train": [], "val": [], "test": []}
    with path.open("wb") as file:
        file.write(bytes(8 + room))
        for split, pixels, label in images:
            file.write(pixels.tobytes())
            labels[split].append(label)
        train, test = np.array(labels["train"] + labels["val"], np.int64), np.array(labels["test"], np.int64)
        gap = -(len(train) + len(test)) * int(np.prod(shape)) % ALIGNED
        file.write(bytes(gap) + train.tobytes() + test.tobytes())
        tensors = {
            "train_images": ("U8", [len(train), *shape]),
            "test_images": ("U8", [len(test), *shape]),
            "gap": ("U8", [gap]),
            "train_labels": ("I64", [len(train)]),
            "test_labels": ("I64", [len(test)]),
        }
        header = _header(tensors, {**metadata, "validation": str(len(labels["val"]))})
        file.seek(0)
        file.write(room.to_bytes(ALIGNED, "little") + header.ljust(room))


def _header(tensors: Mapping[str, tuple[str, list[int]]], metadata: Mapping[str, str]) -> bytes:
    """Describe tensors, by type and shape, that follow one another."""
    found: dict[str, object] = {"__metadata__": metadata}
    begin = 0
    for name, (kind, shape) in tensors.items():
        end = begin + int(np.prod(shape, dtype=np.int64)) * {"U8": 1, "I64": 8}[kind]
        found[name] = {"dtype": kind, "shape": shape, "data_offsets": [begin, end]}
        begin = end
    return json.dumps(found).encode()
