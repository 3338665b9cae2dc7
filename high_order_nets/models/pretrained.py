"""Torchvision's own weights of its networks."""

import logging
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torchvision.models import WeightsEnum

from ..data.images.pretrained import weights_of
from ..errors import UserError
from ..files import digest
from ..settings import Config
from ..targets import resolve
from .transfer import Source

log = logging.getLogger(__name__)
RESCALES = ("googlenet", "inception_v3")
"""Networks that bring images to another scaling themselves where they have these weights."""


def pretrained(config: Config) -> tuple[Source, dict[str, Any]]:
    """Give the weights of a config's network, for any number of classes, and where they are from.

    Torchvision downloads them to $TORCH_HOME, checked by their name, unless they are there. Raises UserError where
    they are not to be had, and for a file there that is something else.
    """
    target = config["model_name"]["_target_"]
    weights = weights_of(target)
    path = Path(torch.hub.get_dir(), f"checkpoints/{Path(weights.url).name}")
    _fetch(weights, path)
    build: Any = resolve(target, "model_name", nn.Module, builders=True)
    try:
        with torch.random.fork_rng(devices=[]):
            state = build(weights=weights).state_dict()  # which knows of names and heads of old
    except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"pretrained=true: {path} is not {weights}: delete it and run again") from error
    record = {"weights": str(weights), "path": str(path), "sha256": digest(path)}
    if not record["sha256"].startswith(path.stem.rpartition("-")[2]):
        log.warning("pretrained=true: the SHA-256 of %s is not the one in its name: it is not torchvision's", path)
    return Source(f"pretrained=true ({weights})", state, new_head=True), record


def _fetch(weights: WeightsEnum, path: Path) -> None:
    """Have the file where torchvision looks for it, and in it plain data: torchvision itself would run its code."""
    try:
        weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except OSError as error:
        reason = f"cannot be fetched from {weights.url} ({error}); with a network, run it again, or put it at {path}"
        raise UserError(f"pretrained=true: {weights} {reason}") from error
    except Exception as error:  # a damaged or hostile file may fail anywhere
        raise UserError(f"pretrained=true: {path} is not {weights}: delete it and run again") from error
