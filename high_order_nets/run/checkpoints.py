"""What is saved of a run, as plain data: no checkpoint needs pickle's code execution to be read."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from ..errors import UserError
from ..files import whole_file
from ..settings import upgraded


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
    return checkpoint | {"config": upgraded(checkpoint["config"], f"ckpt={path}")}


def network_state(checkpoint: dict[str, Any], prefix: str = "net.") -> dict[str, Tensor]:
    """Give a network's own part of a checkpoint's weights, by the names that the network has for them."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in checkpoint["state_dict"].items()
        if isinstance(name, str) and name.startswith(prefix)
    }


def load_state(module: nn.Module, state: dict[str, Any], path: Path) -> None:
    """Load weights into the module; UserError where they belong to another one.

    Of those that are one in the module, such as tied embeddings, one name in the state is enough.
    """
    try:
        module.load_state_dict(state | _tied(module, state) if isinstance(state, dict) else state)
    except (RuntimeError, TypeError, AttributeError) as error:
        reason = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise UserError(f"ckpt={path}: of another model than its config says: {reason}") from error


def _tied(module: nn.Module, state: dict[str, Any]) -> dict[str, Any]:
    """Give, by the names that the state lacks, what it has under other names of the same tensors."""
    own = module.state_dict(keep_vars=True)
    there = {id(tensor): name for name, tensor in own.items() if name in state}
    return {key: state[there[id(own[key])]] for key in own if key not in state and id(own[key]) in there}


def distinct(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Leave out what a state holds under an earlier name already, the same numbers at the same place."""
    places: dict[Any, str] = {}
    for name, tensor in state.items():
        place = (tensor.data_ptr(), tensor.shape, tensor.stride()) if tensor.numel() else name
        places.setdefault(place, name)
    return {name: state[name] for name in places.values()}


def write_weights(path: Path, state: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> None:
    """Write a network's weights, tied ones once, with metadata that is JSON value by value."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in distinct(state).items()}
    with whole_file(path) as part:
        save_file(tensors, part, {key: json.dumps(value) for key, value in metadata.items()})


def refined_epoch(checkpoint: dict[str, Any]) -> int:
    """Give the epoch of the last refinement before a checkpoint was saved; 0 where there was none."""
    # Lightning keeps what a callback saved under the name of its class.
    return int(checkpoint.get("callbacks", {}).get("Refine", {}).get("epoch", 0))
