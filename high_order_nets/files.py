"""Files that are there whole or not at all, whenever the process or the machine dies."""

import hashlib
import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

PART = ".part"
"""Ends the names of unfinished files."""


@contextmanager
def whole_file(path: Path, keep: Path | None = None) -> Iterator[Path]:
    """Yield a path to write to; what is written there becomes the file `path` at once when the block ends.

    It lies beside `path`, because only within one file system does a rename replace a file at once. If the block
    raises or the disk is full, `path` stays as it was. With `keep`, what was there before gets that name.
    """
    part = path.with_name(path.name + PART)
    try:
        with by_umask(part):
            yield part
        _flush(part)
        if keep is not None and path.exists():
            path.replace(keep)
        part.replace(path)
        _flush(path.parent)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def by_umask(file: Path) -> Iterator[None]:
    """Give what the block writes to the file the mode of a file that open() makes; safetensors' own is 0600."""
    file.touch()
    mode = file.stat().st_mode
    yield
    file.chmod(mode)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write the file whole or not at all; a number that JSON does not know (nan, inf) becomes null."""
    write_text(path, json.dumps(_known(content), indent=2) + "\n")


def write_yaml(path: Path, content: dict[str, Any]) -> None:
    """Write the file whole or not at all."""
    write_text(path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sweep(folder: Path) -> None:
    """Remove what killed writers left unfinished in the folder."""
    for part in folder.glob(f"*{PART}"):
        part.unlink(missing_ok=True)


def _known(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _known(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_known(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _flush(path: Path) -> None:
    """Have the system write a file, or a folder's list of names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
