"""Checkpoints that are there whole or not at all, whatever happens while they are written."""

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import torch
from lightning_fabric.plugins.io import CheckpointIO
from torch import Tensor

from ..errors import UserError
from ..files import whole_file
from ..run.layout import LAST, PREVIOUS

LEAVES = (type(None), bool, int, float, complex, str, bytes, torch.dtype, torch.device, torch.Size)
NESTS = (dict, list, tuple, set, OrderedDict, defaultdict, Counter)
"""What of a state is read back; a subclass is not, such as numpy's float64 of float."""


class WholeFiles(CheckpointIO):
    """Lightning's way to the disk: each file whole or not at all, the last checkpoint but one kept, plain data only.

    (Lightning's own writes to TMPDIR, which may be another file system, and copies from there.)
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write the file. Raises UserError for a state of one's own code that would not be read back."""
        for part in ("callbacks", "optimizer_states"):
            _check_plain(checkpoint.get(part), part)
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        keep = path.with_name(PREVIOUS) if path.name == LAST else None
        with whole_file(path, keep) as part, part.open("wb") as file:
            _save(checkpoint, file)

    def load_checkpoint(
        self, path: str | Path, map_location: Callable | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read the file into memory of the CPU; runs no code of the file's."""
        return torch.load(path, map_location="cpu", weights_only=True)

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove the file if it is there."""
        Path(path).unlink(missing_ok=True)


def _check_plain(state: Any, where: str) -> None:
    if isinstance(state, Tensor) or type(state) in LEAVES:
        return
    if type(state) not in NESTS:
        kind = type(state).__qualname__
        rule = "numbers, text, tensors, and lists and dicts of them"
        raise UserError(f"{where}: holds a {kind}, and what is saved is data that run no code; give {rule}")
    for key, value in state.items() if isinstance(state, dict) else enumerate(state):
        _check_plain(value, f"{where}.{key}")


def _save(checkpoint: dict[str, Any], file: IO[bytes]) -> None:
    try:
        torch.save(checkpoint, file)
    except RuntimeError as error:
        if isinstance(error.__context__, OSError):  # such as a full disk; torch speaks of a wrong position
            raise error.__context__ from error
        raise
