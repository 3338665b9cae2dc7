"""A data set as one file that is made of others once, by whoever comes first, and mapped into memory afterwards."""

import errno
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from filelock import FileLock
from safetensors import safe_open
from torch import Tensor

from ..errors import UserError

log = logging.getLogger(__name__)


def prepared(
    path: Path, make: Callable[[Path], None], raw: Callable[[], bool], cached: Callable[[], str] | None = None
) -> Path:
    """Say where the prepared file lies: at `path`, or in the user's cache where that is in a read-only folder.

    Where it is not there yet, `make` writes it to the path that it is given; the cache is only for what is made of
    files that are there: `raw()`. One file there serves all folders, unless the name `cached()` tells them apart.
    Raises UserError where it can be written nowhere.
    """
    if path.exists():
        return path
    try:
        _make_once(path, make)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS) or not raw():
            raise _unwritable(path, error) from error
    else:
        return path
    other = cache_folder() / (cached() if cached else path.name)
    try:
        if not other.exists():
            log.info("%s cannot be written: the prepared file goes to %s", path.parent, other)
        _make_once(other, make)
    except OSError as error:
        raise _unwritable(other, error) from error
    return other


def read_tensors(path: Path, name: str, keys: Sequence[str]) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Map the tensors of a prepared file, and give its metadata; raise ValueError unless it is of that data set."""
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        tensors = {key: file.get_tensor(key) for key in keys}
    if metadata.get("dataset") != name:
        raise ValueError(f"its metadata key dataset is {metadata.get('dataset')!r}, not {name!r}")
    return metadata, tensors


def cache_folder() -> Path:
    """Return the folder of this user's prepared files: under $XDG_CACHE_HOME, or ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "high-order-nets"


def _make_once(path: Path, make: Callable[[Path], None]) -> None:
    """Make the prepared file, or wait for the process that is making it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.parent / f".{path.stem}.lock"):
        if not path.exists():
            make(path)


def _unwritable(path: Path, error: OSError) -> UserError:
    return UserError(f"cannot prepare {path}: {error}; dataset.root must be a folder that can be written")
