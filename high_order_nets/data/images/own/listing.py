"""What images of one's own are before any is opened: where each lies, its class, its split."""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ....errors import UserError

NAMED = 10
"""Files that an error names."""


@dataclass(frozen=True)
class Item:
    """An image and the name of its class; `where` says which it is, in an error."""

    where: str
    label: str
    source: Path | np.ndarray
    """A file, or pixels: uint8 (height, width) or (height, width, samples)."""


Splits = Mapping[str, Sequence[Item]]
"""The images of train, val and test; those that the data do not bring are left out."""


@dataclass(frozen=True)
class Listing:
    """A data set of one's own; `said` begins what is said of it, dataset.root=DIR or dataset.path=FILE.

    `stem` begins the name of what is prepared of it, and has a digest of what it is made of. `splits` lists it.
    """

    said: str
    stem: str
    place: Path
    splits: Callable[[], Splits]


def stem(path: Path, files: Iterable[Path], *options: object) -> str:
    """Return a name for what is made of the files with the options: another one where a file has changed.

    By names, sizes and times, those of the last change of any kind too, for to read all files would take long.
    """
    total = hashlib.sha256(repr(options).encode())
    for file in files:
        total.update(os.fsencode(os.path.relpath(file, path)) + b"\0" + repr(_stamp(file)).encode())
    return f"{re.sub(r'[^a-zA-Z0-9_-]+', '_', path.stem) or 'images'}.{total.hexdigest()[:12]}"


def _stamp(file: Path) -> tuple[int, ...]:
    try:
        stat = file.stat()
    except OSError:  # a link to nothing
        return ()
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def classes_of(splits: Splits, said: str) -> tuple[str, ...]:
    """Name the classes, those of the training images: whole numbers in their order, else by the alphabet.

    Raises UserError for one class alone, for names that cannot be shown, and where another split has others.
    """
    found = {item.label for item in splits["train"]}
    if odd := sorted(name for name in found if not name.isprintable() or not name.strip()):
        raise UserError(f"{said}: the class {odd[0]!r} has a name that cannot be shown; give it another")
    classes = tuple(sorted(found, key=_rank if all(map(_is_whole, found)) else str))
    if len(classes) < 2:
        raise UserError(f"{said}: holds one class to train on, {', '.join(classes)}; telling classes apart needs two")
    for split, items in splits.items():
        strange = Counter(item.label for item in items if item.label not in found)
        if strange:
            first = next(item.where for item in items if item.label in strange)
            names = named([repr(name) for name in sorted(strange)])
            raise UserError(
                f"{said}: {split} has {names}, which train lacks ({first}); each class needs training images"
            )
    return classes


def named(what: Sequence[str]) -> str:
    """Name the first ten, and say how many there are where there are more."""
    rest = f", … ({len(what):,} in all)" if len(what) > NAMED else ""
    return ", ".join(what[:NAMED]) + rest


def _is_whole(name: str) -> bool:
    return re.fullmatch(r"-?[0-9]{1,18}", name) is not None


def _rank(name: str) -> tuple[int, str]:
    return int(name), name
