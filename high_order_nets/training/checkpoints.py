"""What is saved of a run, as plain data: no checkpoint needs pickle's code execution to be read."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from safetensors.torch import save_file
from torch import nn

from ..errors import UserError
from ..models.stages import Staged
from .build import Config, Experiment


class ConfigInCheckpoint(pl.Callback):
    """Put the resolved config into every checkpoint, so that it can be tested and used by itself."""

    def __init__(self, config: Config):
        self._config = config

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add it."""
        checkpoint["config"] = self._config


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a run's checkpoint, with `state_dict` and `config`; runs no code of the file's. Raises UserError."""
    if not path.is_file():
        raise UserError(f"ckpt={path}: no such file")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
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
    partial = path.with_name(path.name + ".part")
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in complete.state_dict().items()}
    save_file(tensors, partial, {key: json.dumps(value) for key, value in metadata.items()})
    partial.replace(path)
