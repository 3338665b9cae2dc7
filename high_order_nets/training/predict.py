"""Says what a trained network sees in image files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from ..errors import UserError
from .loading import Classifier, load

TOP = 3
"""Classes named for each image."""


def predict(checkpoint: Path, images: Sequence[Path]) -> list[str]:
    """Return a line for each image file: its name, then the likeliest classes with their probabilities.

    Raises UserError for a file that is no image.
    """
    module = load(checkpoint)
    width = max(len(str(path)) for path in images)
    with torch.inference_mode():
        found = [module.probabilities(read_image(path, module.channels))[0] for path in images]
    return [f"{path!s:<{width}}  {_described(module, row)}" for path, row in zip(images, found, strict=True)]


def read_image(path: Path, channels: int) -> Tensor:
    """Read any image file that PIL knows, upright, as uint8 (1, channels, height, width), grey or colour."""
    modes = {1: "L", 3: "RGB"}
    if channels not in modes:
        raise UserError(f"{path}: the network takes {channels} channels; image files have 1 or 3")
    try:
        with Image.open(path) as file:
            pixels = np.array(ImageOps.exif_transpose(file).convert(modes[channels]))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"{path}: not an image that can be read ({' '.join(str(error).split())})") from error
    return torch.from_numpy(pixels).view(1, *pixels.shape[:2], channels).permute(0, 3, 1, 2)


def _described(module: Classifier, probabilities: Tensor) -> str:
    top = probabilities.topk(min(TOP, len(module.classes)))
    ranked = zip(top.values.tolist(), top.indices.tolist(), strict=True)
    return "  ".join(f"{module.classes[index]} {value:.1%}" for value, index in ranked)
