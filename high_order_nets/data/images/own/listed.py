"""Images that a CSV names: path, label and, where it has that, split."""

from collections.abc import Mapping
from pathlib import Path

from ....errors import UserError
from ....own import SPLITS, csv_rows
from ..walk import true_place
from .listing import Item, Listing, named, stem

COLUMNS = "expected the columns path and label, and perhaps split: train, val or test"


def csv_listing(path: Path, folder: Path, *options: object) -> Listing:
    """List the images of a CSV, whose paths are relative to its folder; what is prepared of them goes to `folder`.

    Raises UserError for missing files, with their lines, for paths that lead out of the folder, cells that are empty,
    and a file that has two labels or is in two splits.
    """
    said = f"dataset.path={path}"
    splits: dict[str, list[Item]] = {"train": []}
    seen: dict[str, tuple[int, str, str]] = {}
    missing = []
    for line, row in csv_rows(path):
        file, split = path.parent / _cell(said, line, row, "path"), _split(said, line, row)
        label = _cell(said, line, row, "label")
        place = true_place(file, path.parent, f"{said}, line {line}: {row['path']}")
        first, *before = seen.setdefault(place, (line, label, split))
        if before != [label, split]:
            other = f"{before[0]}, {before[1]}, and {label}, {split}"
            raise UserError(f"{said}: lines {first} and {line} both name {row['path']}, as {other}; leave one of them")
        if not file.is_file():
            missing.append(f"{row['path']} (line {line})")
        splits.setdefault(split, []).append(Item(f"{row['path']} (line {line})", label, file))
    if missing:
        raise UserError(f"{said}: names what is no file in {path.parent}: {named(missing)}")
    if not splits["train"]:
        raise UserError(f"{said}: no row to train on; {COLUMNS}")
    files = [path, *(item.source for items in splits.values() for item in items if isinstance(item.source, Path))]
    return Listing(said, stem(path, files, *options), folder, lambda: splits)


def _cell(said: str, line: int, row: Mapping[str, str], column: str) -> str:
    if not row[column] or "\0" in row[column]:
        raise UserError(f"{said}: line {line} has no {column}")
    return row[column]


def _split(said: str, line: int, row: Mapping[str, str]) -> str:
    word = row.get("split", "train")
    if word.lower() not in SPLITS:
        raise UserError(f"{said}: line {line} has the split {word!r}; expected train, val or test")
    return SPLITS[word.lower()]
