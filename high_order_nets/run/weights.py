"""Reads weights to start from, of whatever file holds them: tensors alone, nothing in it can run code."""

import json
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..errors import UserError
from ..files import digest
from .checkpoints import network_state
from .layout import USED, WEIGHTS, locate

NESTS = ("state_dict", "model_state_dict", "model", "net")
"""Under which keys programs save weights beside other things."""
CODE = ("GLOBAL", "TorchScript")
"""What torch's refusal of a file that is no plain data names."""


@dataclass(frozen=True)
class Weights:
    """Tensors by name, the file that they are from and its SHA-256, and how the run scaled its images, if it says."""

    path: Path
    digest: str
    state: dict[str, Tensor]
    scaling: dict[str, Any] | None


def read_weights(place: Path) -> Weights:
    """Read a run's folder, a checkpoint, a safetensors file or a state dict of torch's.

    Raises UserError, in the name of `init_from`, for a file that is missing, holds code, or is none of these.
    """
    path = locate(place, USED, "init_from")
    if not path.is_file():
        raise UserError(f"init_from={path}: no such file; expected a run's folder, a checkpoint or a file of weights")
    try:
        found, about = _safetensors(path) if path.suffix == Path(WEIGHTS).suffix else _torch(path)
        state = _state(found)
    except Exception as error:  # a damaged or hostile file may fail anywhere
        raise UserError(f"init_from={path}: {_reason(error)}") from error
    if not state:
        raise UserError(f"init_from={path}: holds no weights: expected a state dict, tensors by their names")
    return Weights(path, digest(path), state, next(_scalings(about), None))


def _safetensors(path: Path) -> tuple[Any, dict[str, Any]]:
    with safe_open(path, framework="pt") as file:
        about = {key: _json(value) for key, value in (file.metadata() or {}).items()}
        return {name: file.get_tensor(name) for name in file.keys()}, about  # noqa: SIM118 - no mapping


def _torch(path: Path) -> tuple[Any, dict[str, Any]]:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as parts:  # torch.load does not look at the checksums
            if damaged := parts.testzip():
                raise ValueError(f"{damaged} is damaged")
    with warnings.catch_warnings():  # of what it then refuses
        warnings.simplefilter("ignore")
        found = torch.load(path, map_location="cpu", weights_only=True)
    return found, found if isinstance(found, dict) else {}


def _json(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:  # of another program
        return None


def _state(found: Any) -> dict[str, Tensor]:
    """Give the tensors of a checkpoint of ours, of a state dict, or of one among other things."""
    if not isinstance(found, dict):
        return {}
    if {"state_dict", "config"} <= found.keys():
        return _whole(network_state(found))
    nests = [found[key] for key in NESTS if isinstance(found.get(key), dict)]
    chosen = [*nests, found][0].items()
    return {name: tensor for name, tensor in chosen if isinstance(name, str) and isinstance(tensor, Tensor)}


def _whole(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give the weights of the network itself, of one in stages too, whose read-outs are none of it."""
    if not any(name.startswith("read_outs.") for name in state):
        return state
    return {name.removeprefix("net."): tensor for name, tensor in state.items() if name.startswith("net.")}


def _scalings(about: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what weights, or the data in a checkpoint, say of the scaling of images."""
    for node in (about, *about.values()):
        if isinstance(node, dict) and isinstance(scaling := node.get("normalisation"), dict):
            yield scaling


def _reason(error: Exception) -> str:
    said = str(error)
    if any(word in said for word in CODE):
        return "holds code or objects beside its tensors, which are not run; save state_dict() alone"
    if isinstance(error, SafetensorError | OSError | ValueError):
        return f"not a file of weights ({' '.join(said.split())})"
    return "not a file of weights: neither safetensors nor a state dict of torch's"
