"""Finds image files in folders, and does not follow links out of them."""

import os
from collections.abc import Container
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import UserError

ENDINGS = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".bmp", ".tif", ".tiff"),
    *(".pbm", ".pgm", ".ppm", ".pnm", ".jp2", ".avif"),
)
"""How the names of image files end, in small letters."""
PREPARED = (".safetensors", ".part")
"""How those of what this program has prepared of them end."""


@dataclass(frozen=True)
class Found:
    """The image files of a folder, and the other things that people put there, both in the order of their names."""

    images: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)


def images_below(folder: Path, root: Path | None = None) -> Found:
    """Find the image files in a folder and the folders in it, by their endings; what is hidden is passed over.

    Links are followed within the `root`, by default the folder itself. Raises UserError for one that leads out of it,
    for one that leads round in a circle or to a folder where another led, and for a folder that cannot be read.
    """
    root, found = root or folder, Found()
    links: set[str] = set()
    left = [(folder, (os.path.realpath(folder),))]  # a folder, and the true places of those it lies in
    while left:
        here, above = left.pop()
        below = []
        for entry in _entries(here):
            linked = entry.is_symlink()
            place = _followed(entry, root, (*above, *links)) if linked else f"{above[-1]}{os.sep}{entry.name}"
            if entry.is_dir():
                links |= {place} if linked else set()
                below.append((Path(entry.path), (*above, place)))
            else:
                path = Path(entry.path)
                file = entry.is_file() or not path.exists()  # a link to nothing: an image that is missing
                if file and entry.name.lower().endswith(ENDINGS):
                    found.images.append(path)
                elif path.suffix not in PREPARED:
                    found.others.append(path)
        left += reversed(below)
    return found


def true_place(path: Path, root: Path, said: str) -> str:
    """Return where a path leads by its links; refuse one that leads out of the root, `said` begins what is said."""
    base, place = os.path.realpath(root), os.path.realpath(path)
    if place != base and not place.startswith(base.rstrip(os.sep) + os.sep):
        raise UserError(f"{said}: leads out of {root}, to {place}; copy what it names into the folder")
    return place


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """List what is not hidden, by name."""
    try:
        with os.scandir(folder) as entries:
            return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda each: each.name)
    except OSError as error:
        raise UserError(f"{folder}: cannot be read: {error.strerror}") from error


def _followed(entry: os.DirEntry[str], root: Path, known: Container[str]) -> str:
    """Return where a link leads, if it is no known folder."""
    place = true_place(Path(entry.path), root, f"the link {entry.path}")
    if place in known:
        raise UserError(f"the link {entry.path}: leads to {place}, in which it lies, or where another led; remove it")
    return place
