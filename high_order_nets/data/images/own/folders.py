"""Images in folders, one a class, below train, val and test."""

import logging
from collections.abc import Mapping
from pathlib import Path

from ....errors import UserError
from ....own import split_folders
from ..walk import PREPARED, Found, images_below, true_place
from .listing import Item, Listing, Splits, named, stem

log = logging.getLogger(__name__)

LAYOUT = "expected a folder with train/CLASS/*.png, test/CLASS/*.png and perhaps val/CLASS/*.png"


def folder_listing(root: Path, *options: object) -> Listing:
    """List the images below a folder; the `options` are those of what is prepared of them.

    Raises UserError for what is no such folder, a class without images to train on, and links that lead out of it.
    """
    said = f"dataset.root={root}"
    try:
        folders = split_folders(root)
        for folder in folders.values():
            true_place(folder, root, f"{said}: {folder.name}")
        found = {split: _classes(folder, root) for split, folder in folders.items()}
    except OSError as error:
        raise UserError(f"{said}: {_reason(root, error)}; {LAYOUT}") from error
    if not found["train"]:
        raise UserError(f"{said}: no folder of a class in {folders['train']}; {LAYOUT}")
    if empty := [name for name, each in found["train"].items() if not each.images]:
        raise UserError(f"{said}: no image to train on in {named(empty)}; put some there, or remove the folder")
    files = [path for classes in found.values() for each in classes.values() for path in each.images]

    def splits() -> Splits:
        _tell_ignored(found, folders, root)
        return {split: _items(classes, root) for split, classes in found.items()}

    return Listing(said, stem(root, files, *options), root, splits)


def _classes(folder: Path, root: Path) -> dict[str, Found]:
    """Find the images of each class of a split, by its folder's name."""
    below = images_below(folder, root)
    found = {path.name: Found() for path in sorted(folder.iterdir()) if path.is_dir() and path.name[0] != "."}
    for kind in ("images", "others"):
        for path in getattr(below, kind):
            name, *rest = path.relative_to(folder).parts
            if rest:
                getattr(found[name], kind).append(path)
    return found


def _items(classes: Mapping[str, Found], root: Path) -> list[Item]:
    return [Item(str(path.relative_to(root)), name, path) for name, found in classes.items() for path in found.images]


def _tell_ignored(found: Mapping[str, Mapping[str, Found]], folders: Mapping[str, Path], root: Path) -> None:
    """Name, in a line, what is no image and what lies in no folder of a class."""
    inside = [path for classes in found.values() for each in classes.values() for path in each.others]
    astray = [path for folder in folders.values() for path in sorted(folder.iterdir()) if not path.is_dir()]
    beside = [path for path in sorted(root.iterdir()) if path.is_dir() and path not in folders.values()]
    beside = [] if folders["train"] == root else beside
    paths = [each for each in (*beside, *astray, *inside) if each.name[0] != "." and each.suffix not in PREPARED]
    if paths:
        log.warning("%s: ignored: %s", root, named([str(path.relative_to(root)) for path in paths]))


def _reason(root: Path, error: OSError) -> str:
    return "no such folder" if not root.exists() else (error.strerror or str(error))
