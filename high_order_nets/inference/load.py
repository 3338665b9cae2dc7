"""Opens what was trained, as a module that takes data as they come; nothing in the file can run code."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from .. import allow as permission
from ..conversion.growth import refined_to
from ..data.images.module import ImageDataModule
from ..data.images.normalise import MODES, Normalisation
from ..data.points.module import PointDataModule
from ..data.points.scaling import Scaling
from ..data.spec import ImageSpec, PointSpec, Spec, TextSpec
from ..data.text.module import TextDataModule
from ..data.text.tokenizer import tokenizer_from
from ..errors import UserError
from ..models.autoencoder import ConvAutoencoder
from ..models.factory import network
from ..models.stages import Staged, complete
from ..run.checkpoints import load_state, network_state, read_checkpoint, refined_epoch
from ..run.folder import metrics_of
from ..run.layout import USED_OF, is_weights, locate, run_of
from ..settings import Config, at, upgraded
from .autoencoder import Autoencoder
from .classifier import Classifier
from .language import LanguageModel
from .regressor import Regressor

Usable = Classifier | Autoencoder | LanguageModel | Regressor
"""What opening a file gives."""
PREFIXES = {"raw": "net.", "ema": "averaged.net."}
"""What the names of a task's weights begin with in its checkpoint."""
LARGEST_IMAGE = 4096
"""Pixels a side that a file may ask for."""
LONGEST_CONTEXT = 1_000_000
"""Tokens that a file may ask for."""


def load(path: str | Path, weights: str = "raw", *, allow: Sequence[str] = ()) -> Usable:
    """Open a run's folder, weights or checkpoint: the network in eval mode, with its preprocessing or its tokenizer.

    A Classifier where the run's data are images, or an Autoencoder where they were reconstructed; a LanguageModel where
    they are text, a Regressor where they are points. It lies on the CPU; the random state is left alone. `weights` of a
    folder or a checkpoint are raw, as they were trained, or ema, their average (`ema.decay`); a file of weights has its
    own. `allow` names packages whose code the file may name, such as a model of your own: nothing else of the file is
    ever imported. Raises UserError for a file that is missing, damaged, or not of this program, and for an average that
    is not there.
    """
    with permission.allowing(allow):
        return _load(path, weights)


def _load(path: str | Path, weights: str) -> Usable:
    if weights not in USED_OF:
        raise UserError(f"weights={weights}: expected one of {', '.join(USED_OF)}")
    path = locate(Path(path).expanduser(), USED_OF[weights])
    saved = _read_weights(path) if is_weights(path) else _read_checkpoint(path, weights)
    if weights == "ema" and saved.about.get("weights") != "ema":
        raise UserError(f"weights=ema: ckpt={path} has no average of its weights; train with ema.decay=0.999")
    try:
        kind = str(saved.config["dataset"]["kind"])
    except (KeyError, TypeError) as error:
        raise UserError(f"ckpt={path}: its config is none of high-order-nets: {error!r}") from error
    if kind not in KINDS:
        raise UserError(f"ckpt={path}: trained on {kind}; only what was trained on {' or '.join(KINDS)} can be used")
    return KINDS[kind].open(saved, path).eval()


def but_points(found: Usable, path: Path, asked: str) -> Classifier | Autoencoder | LanguageModel:
    """Give what was opened for what was `asked`, which points are not for; UserError where it is a Regressor."""
    if isinstance(found, Regressor):
        raise UserError(f"{asked}: is of images or text, and ckpt={path} of points; high_order_nets.load opens it")
    return found


def _network(saved: "_Saved", spec: Spec, path: Path, dtype: torch.dtype = torch.float32) -> nn.Module:
    """Build the network of a file and give it its weights."""
    try:
        with torch.random.fork_rng(devices=[]):
            net = _built(saved, spec)
    except UserError as error:
        raise UserError(f"ckpt={path}: {error}") from error
    except Exception as error:  # a stranger's config may fail anywhere
        raise UserError(f"ckpt={path}: its config is none of high-order-nets: {error!r}") from error
    net = net.to(dtype)
    load_state(net, saved.state, path)
    return complete(net).requires_grad_(True)


@dataclass(frozen=True)
class _Saved:
    """What a file holds of a run: `about` is what its data say of themselves, `refined` the epoch of refinement."""

    state: dict[str, Tensor]
    config: Config
    about: dict[str, Any]
    metrics: dict[str, Any]
    refined: int

    @property
    def metadata(self) -> dict[str, Any]:
        """Give all but the weights."""
        return self.about | {"config": self.config, "metrics": self.metrics}


class _Kind(NamedTuple):
    """How what was trained on a kind of data is opened, and under which name its data are in a checkpoint."""

    data: str
    open: Callable[[_Saved, Path], Usable]


def _read_checkpoint(path: Path, weights: str) -> _Saved:
    checkpoint, prefix = read_checkpoint(path), PREFIXES[weights]
    state = network_state(checkpoint, prefix)
    own = str(at(checkpoint["config"], "dataset._target_")).rpartition(".")[2]  # a Data of one's own
    names = (*(kind.data for kind in KINDS.values()), own)
    about = next((checkpoint[name] for name in names if name in checkpoint), {})
    about = about | ({"weights": "ema"} if weights == "ema" and state else {})
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
        resize, mode = saved.get("resize"), saved.get("mode", "bilinear")
        names = isinstance(classes, list) and classes and all(isinstance(name, str) for name in classes)
        numbers = len(offset) == len(factor) > 0 and all(math.isfinite(number) for number in (*offset, *factor))
        sizes = isinstance(size, int) and 1 <= size <= (size if resize is None else resize) <= LARGEST_IMAGE
        if not names or not numbers or not sizes or mode not in MODES:
            raise ValueError
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise UserError(f"ckpt={path}: does not say its classes and normalisation; train it again") from error
    return tuple(classes), Normalisation(tuple(offset), tuple(factor), size, resize, mode)


def _of_images(saved: _Saved, path: Path) -> Classifier | Autoencoder:
    classes, normalisation = _checked(saved.about, path)
    assert normalisation.image_size is not None
    spec = ImageSpec(len(normalisation.offset), normalisation.image_size, classes, normalisation)
    net = _network(saved, spec, path)
    if isinstance(net, ConvAutoencoder):
        return Autoencoder(net, normalisation, saved.metadata)
    return Classifier(net, normalisation, classes, saved.metadata)


def _language_model(saved: _Saved, path: Path) -> LanguageModel:
    try:
        tokenizer, context = tokenizer_from(saved.about["tokenizer"]), saved.about["context"]
        if type(context) is not int or not 1 <= context <= LONGEST_CONTEXT:
            raise ValueError(f"context={context}")
    except (UserError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"ckpt={path}: does not say its tokenizer ({error}); train it again") from error
    net = _network(saved, TextSpec(len(tokenizer), context), path)
    return LanguageModel(net, tokenizer, context, saved.metadata)


def _regressor(saved: _Saved, path: Path) -> Regressor:
    inputs, outputs, scaling = _checked_points(saved.about, path)
    dtype = torch.float64 if at(saved.config, "precision") == "64-true" else torch.float32
    spec = PointSpec(inputs, outputs, (1.0,) * len(outputs), (0.0,) * len(outputs))
    net = _network(saved, spec, path, dtype)
    return Regressor(net, inputs, outputs, scaling, saved.metadata)


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


KINDS = {
    "images": _Kind(ImageDataModule.__qualname__, _of_images),
    "text": _Kind(TextDataModule.__qualname__, _language_model),
    "points": _Kind(PointDataModule.__qualname__, _regressor),
}
"""By `dataset.kind`."""


def _built(saved: _Saved, spec: Spec) -> nn.Module:
    net, _ = network(saved.config, spec)
    refined_to(net, saved.config, saved.refined)
    in_stages = any(name.startswith("read_outs.") for name in saved.state)
    return Staged(net, spec.example(2)) if in_stages else net
