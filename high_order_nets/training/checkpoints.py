"""What is saved of a run, as plain data: no checkpoint needs pickle's code execution to be read."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import torch
from lightning_fabric.plugins.io import CheckpointIO
from safetensors.torch import save_file
from torch import nn

from ..errors import UserError
from ..files import whole_file
from ..models.stages import Staged
from .build import Config, Experiment
from .runs import LAST, PREVIOUS


class WholeFiles(CheckpointIO):
    """Lightning's way to the disk: each file whole or not at all, the last checkpoint but one kept, plain data only.

    (Lightning's own writes to TMPDIR, which may be another file system, and copies from there.)
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write the file."""
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


def _save(checkpoint: dict[str, Any], file: IO[bytes]) -> None:
    try:
        torch.save(checkpoint, file)
    except RuntimeError as error:
        if isinstance(error.__context__, OSError):  # such as a full disk; torch speaks of a wrong position
            raise error.__context__ from error
        raise


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a run's checkpoint, with `state_dict` and `config`; runs no code of the file's.

    Raises UserError for a file that is missing, damaged (each part has a checksum) or something else.
    """
    if not path.is_file():
        raise UserError(f"ckpt={path}: no such file")
    try:
        with zipfile.ZipFile(path) as parts:  # torch.load does not look at the checksums
            if damaged := parts.testzip():
                raise ValueError(f"{damaged} is damaged")
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged or hostile file may fail anywhere
        raise UserError(f"ckpt={path}: not a readable checkpoint of plain data") from error
    if not isinstance(checkpoint, dict) or not {"state_dict", "config"} <= set(checkpoint):
        raise UserError(f"ckpt={path}: not a checkpoint of high-order-nets (it has no state_dict and config)")
    return checkpoint


def load_state(module: nn.Module, state: dict[str, Any], path: Path) -> None:
    """Load weights into the module; UserError where they belong to another one."""
    try:
        module.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        reason = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise UserError(f"ckpt={path}: of another model than its config says: {reason}") from error


def save_weights(path: Path, experiment: Experiment, config: Config, figures: dict[str, Any]) -> None:
    """Write the tested network's weights, with config, classes, normalisation and figures as JSON metadata."""
    net = experiment.task.net
    complete = net.net if isinstance(net, Staged) and net.current == net.count - 1 else net
    metadata = {
        "config": config,
        "classes": list(experiment.data.classes),
        "normalisation": experiment.data.normalisation,
        "metrics": figures,
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in complete.state_dict().items()}
    with whole_file(path) as part:
        save_file(tensors, part, {key: json.dumps(value) for key, value in metadata.items()})
