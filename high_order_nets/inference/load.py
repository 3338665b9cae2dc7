"""Opens what was trained, as a module that takes images; nothing in the file can run code."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from ..conversion.growth import refined_to
from ..data.images.module import ImageDataModule
from ..data.images.normalise import Normalisation
from ..data.spec import ImageSpec
from ..errors import UserError
from ..models.factory import network
from ..models.stages import Staged, complete
from ..runs.checkpoints import load_state, read_checkpoint, refined_epoch
from ..runs.folder import metrics_of
from ..runs.layout import USED, locate, run_of
from ..settings import Config, upgraded
from .classifier import Classifier

LARGEST_IMAGE = 4096
"""Pixels a side that a file may ask for."""


def load(path: str | Path) -> Classifier:
    """Open a run's folder, weights or checkpoint: the network in eval mode, with its preprocessing.

    It lies on the CPU; the random state is left alone. Raises UserError for a file that is missing, damaged, or not of
    this program.
    """
    path = Path(path).expanduser()
    path = locate(path, USED)
    saved = _read_weights(path) if path.suffix == ".safetensors" else _read_checkpoint(path)
    classes, normalisation = _checked(saved.about, path)
    try:
        with torch.random.fork_rng(devices=[]):
            net = _network(saved, normalisation, classes)
    except UserError as error:
        raise UserError(f"ckpt={path}: {error}") from error
    except Exception as error:  # a stranger's config may fail anywhere
        raise UserError(f"ckpt={path}: its config is none of high-order-nets: {error!r}") from error
    load_state(net, saved.state, path)
    metadata = saved.about | {"config": saved.config, "metrics": saved.metrics}
    return Classifier(complete(net).requires_grad_(True), normalisation, classes, metadata).eval()


@dataclass(frozen=True)
class _Saved:
    """What a file holds of a run: `about` are the classes and the normalisation, `refined` the epoch of refinement."""

    state: dict[str, Tensor]
    config: Config
    about: dict[str, Any]
    metrics: dict[str, Any]
    refined: int


def _read_checkpoint(path: Path) -> _Saved:
    checkpoint = read_checkpoint(path)
    state = {
        name.removeprefix("net."): tensor
        for name, tensor in checkpoint["state_dict"].items()
        if isinstance(name, str) and name.startswith("net.")
    }
    about = checkpoint.get(ImageDataModule.__qualname__, {})
    return _Saved(state, checkpoint["config"], about, _metrics_beside(path), refined_epoch(checkpoint))


def _metrics_beside(path: Path) -> dict[str, Any]:
    """Read the run's metrics where they are those of this checkpoint."""
    metrics = metrics_of(run_of(path))
    return metrics if metrics.get("tested") == path.stem else {}


def _read_weights(path: Path) -> _Saved:
    if not path.is_file():
        raise UserError(f"ckpt={path}: no such file")
    try:
        with safe_open(path, framework="pt") as file:
            about = {key: json.loads(value) for key, value in (file.metadata() or {}).items()}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        config, metrics = about.pop("config"), about.pop("metrics")
        refined = int(metrics.get("refined_epoch", 0))
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"ckpt={path}: not the weights of high-order-nets ({reason})") from error
    return _Saved(state, upgraded(config, f"ckpt={path}"), about, metrics, refined)


def _checked(about: Any, path: Path) -> tuple[tuple[str, ...], Normalisation]:
    """Return classes and normalisation, or refuse what is no such thing."""
    try:
        classes, saved = about["classes"], about["normalisation"]
        offset, factor, size = saved["offset"], saved["factor"], saved["image_size"]
        names = isinstance(classes, list) and classes and all(isinstance(name, str) for name in classes)
        numbers = len(offset) == len(factor) > 0 and all(math.isfinite(number) for number in (*offset, *factor))
        if not names or not numbers or not isinstance(size, int) or not 1 <= size <= LARGEST_IMAGE:
            raise ValueError
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise UserError(f"ckpt={path}: does not say its classes and normalisation; train it again") from error
    return tuple(classes), Normalisation(tuple(offset), tuple(factor), size)


def _network(saved: _Saved, normalisation: Normalisation, classes: tuple[str, ...]) -> nn.Module:
    assert normalisation.image_size is not None
    spec = ImageSpec(len(normalisation.offset), normalisation.image_size, classes)
    net, _ = network(saved.config, spec)
    refined_to(net, saved.config, saved.refined)
    in_stages = any(name.startswith("read_outs.") for name in saved.state)
    return Staged(net, spec.example(2)) if in_stages else net
