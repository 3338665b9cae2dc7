"""Opens what was trained, as a module that takes data as they come; nothing in the file can run code."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from ..conversion.growth import refined_to
from ..data.images.module import ImageDataModule
from ..data.images.normalise import Normalisation
from ..data.points.module import PointDataModule
from ..data.points.scaling import Scaling
from ..data.spec import ImageSpec, PointSpec, Spec
from ..errors import UserError
from ..models.factory import network
from ..models.stages import Staged, complete
from ..runs.checkpoints import load_state, read_checkpoint, refined_epoch
from ..runs.folder import metrics_of
from ..runs.layout import USED, locate, run_of
from ..settings import Config, at, upgraded
from .classifier import Classifier
from .regressor import Regressor

LARGEST_IMAGE = 4096
"""Pixels a side that a file may ask for."""


def load(path: str | Path) -> Any:
    """Open a run's folder, weights or checkpoint: the network in eval mode, with its preprocessing.

    Gives a Classifier of images or a Regressor of points. It lies on the CPU; the random state is left alone. Raises
    UserError for a file that is missing, damaged, or not of this program.
    """
    path = locate(Path(path).expanduser(), USED)
    saved = _read_weights(path) if path.suffix == ".safetensors" else _read_checkpoint(path)
    return OPENERS.get(str(at(saved.config, "dataset.kind")), _classifier)(saved, path)


def load_classifier(path: Path, asked: str) -> Classifier:
    """Open a run of images, which is what was `asked` for; UserError where it is one of other data."""
    found = load(path)
    if not isinstance(found, Classifier):
        kind = at(found.metadata["config"], "dataset.kind")
        raise UserError(f"{asked}: is of images, and ckpt={path} of {kind}; high_order_nets.load opens it")
    return found


@dataclass(frozen=True)
class _Saved:
    """What a file holds of a run: `about` is what the data say of themselves, `refined` the epoch of refinement."""

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
    names = (module.__qualname__ for module in (ImageDataModule, PointDataModule))
    about = next((checkpoint[name] for name in names if name in checkpoint), {})
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


def _network(saved: _Saved, spec: Spec, path: Path, dtype: torch.dtype = torch.float32) -> nn.Module:
    """Build the network that was saved, with its weights."""
    try:
        with torch.random.fork_rng(devices=[]):
            net, _ = network(saved.config, spec)
            refined_to(net, saved.config, saved.refined)
            in_stages = any(name.startswith("read_outs.") for name in saved.state)
            net = Staged(net, spec.example(2)) if in_stages else net
    except UserError as error:
        raise UserError(f"ckpt={path}: {error}") from error
    except Exception as error:  # a stranger's config may fail anywhere
        raise UserError(f"ckpt={path}: its config is none of high-order-nets: {error!r}") from error
    net = net.to(dtype)
    load_state(net, saved.state, path)
    return complete(net).requires_grad_(True)


def _metadata(saved: _Saved) -> dict[str, Any]:
    return saved.about | {"config": saved.config, "metrics": saved.metrics}


def _classifier(saved: _Saved, path: Path) -> Classifier:
    classes, normalisation = _checked(saved.about, path)
    assert normalisation.image_size is not None
    net = _network(saved, ImageSpec(len(normalisation.offset), normalisation.image_size, classes), path)
    return Classifier(net, normalisation, classes, _metadata(saved)).eval()


def _regressor(saved: _Saved, path: Path) -> Regressor:
    inputs, outputs, scaling = _checked_points(saved.about, path)
    dtype = torch.float64 if at(saved.config, "precision") == "64-true" else torch.float32
    net = _network(saved, PointSpec(inputs, outputs, (1.0,) * len(outputs)), path, dtype)
    return Regressor(net, inputs, outputs, scaling, _metadata(saved)).eval()


def _checked_points(about: Any, path: Path) -> tuple[tuple[str, ...], tuple[str, ...], tuple[Scaling, Scaling]]:
    """Return the names of inputs and outputs and their scalings, or refuse what is no such thing."""
    try:
        names = [tuple(map(str, about[key])) for key in ("inputs", "outputs")]
        saved = [about["scaling"][key] for key in ("inputs", "outputs")]
        scaling = [Scaling(tuple(each["offset"]), tuple(each["factor"])) for each in saved]
        for each, named in zip(scaling, names, strict=True):
            numbers = (*each.offset, *each.factor)
            if not (len(each.offset) == len(each.factor) == len(named) > 0 and all(map(math.isfinite, numbers))):
                raise ValueError
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise UserError(f"ckpt={path}: does not say its columns and their scaling; train it again") from error
    return names[0], names[1], (scaling[0], scaling[1])


OPENERS: dict[str, Callable[[_Saved, Path], Classifier | Regressor]] = {"images": _classifier, "points": _regressor}
"""From the kind of data to what opens a network of them."""
