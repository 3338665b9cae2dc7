"""Which runs of a sweep keep their checkpoints: the best ones, where so many are asked for."""

import math
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..metrics import headline, metric
from .claims import claimed
from .folder import is_finished, metrics_of
from .layout import CHECKPOINTS, WEIGHTS


def keep_best(folders: Iterable[Path], count: int) -> None:
    """Remove the checkpoints of all but the `count` best of these runs; weights and figures stay.

    Finished runs of one headline are compared by its validation or, where they have none, by its test; of two alike the
    first is the better. All others keep what they go on with. Jobs side by side may each call it with what has finished
    so far: who is not among the best of some is not among the best of more.
    """
    finished: dict[str, list[Path]] = {}
    figures = {folder: metrics_of(folder) for folder in folders}
    for folder, found in figures.items():
        if found.get("status") == "finished":
            finished.setdefault(headline(found), []).append(folder)
    for runs in finished.values():
        for folder in sorted(runs, key=lambda run: _merit(figures[run]), reverse=True)[count:]:
            _drop(folder)


def _merit(figures: dict[str, Any]) -> float:
    """Return the figure that a run is compared by, the greater the better; -inf where it is none."""
    name = headline(figures)
    value = figures.get(f"val_{name}", figures.get(f"test_{name}"))
    return -math.inf if value is None else metric(name).merit(float(value))


def _drop(folder: Path) -> None:
    """Remove the checkpoints of a finished run, unless another process is just going on with it."""
    if not (folder / CHECKPOINTS).is_dir() or not (folder / WEIGHTS).is_file():
        return
    with suppress(UserError), claimed(folder):
        if is_finished(folder):
            shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
