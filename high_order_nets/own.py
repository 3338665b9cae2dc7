"""Which splits images of one's own come in, told by names alone: a config is checked before anything opens an image."""

import csv
import zipfile
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from .errors import UserError

SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
"""The splits by the names that people give them, in small letters."""
LARGEST_CELL = 1 << 20
"""Characters of a value in a CSV."""


def splits(dataset: Mapping[str, Any]) -> frozenset[str]:
    """Return which of train, val and test a data set of one's own images brings; none of another, or of a bad one."""
    try:
        match dataset.get("name"):
            case "folder":
                return frozenset(split_folders(Path(str(dataset["root"])).expanduser()))
            case "csv":
                path = Path(str(dataset["path"])).expanduser()
                return _csv_splits(path, path.stat().st_mtime_ns)
            case "npz":
                with zipfile.ZipFile(Path(str(dataset["path"])).expanduser()) as file:
                    return frozenset(split for split in SPLITS if f"{split}_images.npy" in file.namelist())
            case _:
                return frozenset()
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, UserError):  # who opens it says what is wrong with it
        return frozenset()


def split_folders(root: Path) -> dict[str, Path]:
    """Return the folders of the splits: those below the root that are named so, or the root itself to train on.

    Raises OSError where the root is no folder, UserError for two of one split and for a test without a train.
    """
    found: dict[str, Path] = {}
    for path in sorted(root.iterdir()):
        if (split := SPLITS.get(path.name.lower())) and path.is_dir():
            if split in found:
                both = f"{found[split].name} and {path.name}"
                raise UserError(f"dataset.root={root}: has both {both}; leave one of them")
            found[split] = path
    if found and "train" not in found:
        raise UserError(f"dataset.root={root}: has {' and '.join(path.name for path in found.values())}, but no train")
    return found or {"train": root}


def csv_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the number of each line of a CSV with its values by the columns' names, in small letters.

    Raises UserError for a file that cannot be read, rows of other lengths, and columns without path and label.
    """
    said = f"dataset.path={path}"
    if not path.is_file():
        raise UserError(f"{said}: no such file; expected a CSV with the columns path and label")
    before = csv.field_size_limit(LARGEST_CELL)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.reader(file, strict=True)
            names = [name.strip().lower() for name in next(rows, [])]
            if not {"path", "label"} <= set(names) or len(set(names)) < len(names):
                columns = ",".join(names)[:100] or "empty"
                raise UserError(f"{said}: its first row is {columns}; expected path,label or path,label,split")
            for row in rows:
                if row and len(row) != len(names):
                    raise UserError(f"{said}: line {rows.line_num} has {len(row)} values for {len(names)} columns")
                if row:
                    yield rows.line_num, dict(zip(names, map(str.strip, row), strict=True))
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{said}: cannot be read: {error}") from error
    finally:
        csv.field_size_limit(before)


@lru_cache(maxsize=4)
def _csv_splits(path: Path, changed: int) -> frozenset[str]:
    del changed  # so that a file that was changed is read again
    return frozenset(SPLITS.get(row.get("split", "train").lower(), "train") for _, row in csv_rows(path))
