"""Random erasing: a box of an image is blanked (Zhong et al., AAAI 2020)."""

import math

import torch
from torch import Generator, Tensor

AREA = (0.02, 0.33)
"""Least and largest part of the image that a box covers."""
RATIO = (0.3, 3.3)
"""Least and largest ratio of its height to its width."""
ATTEMPTS = 10
"""Boxes drawn an image; the first that fits counts, and if none does the image stays."""


def kept(images: Tensor, probability: float, generator: Generator) -> Tensor:
    """Draw a mask (B, 1, H, W) of the images' dtype, zero in one box an image with this probability, else one.

    Boxes are those of torchvision's RandomErasing: their area is drawn evenly, the logarithm of their ratio too, and
    they lie anywhere inside.
    """
    count, _, height, width = images.shape
    area = _uniform(images, ATTEMPTS, generator, *AREA) * (height * width)
    ratio = _uniform(images, ATTEMPTS, generator, *map(math.log, RATIO)).exp()
    sizes = torch.stack([(area * ratio).sqrt(), (area / ratio).sqrt()], 2).round()  # (B, attempts, 2)
    fits = (sizes < torch.tensor([height, width], device=images.device)).all(2)
    size = sizes[torch.arange(count, device=images.device), fits.byte().argmax(1)]  # (B, 2)
    erased = fits.any(1) & (_uniform(images, 1, generator)[:, 0] < probability)
    place = _uniform(images, 2, generator)
    rows, columns = (_inside(place[:, k], size[:, k], side) for k, side in enumerate((height, width)))
    box = rows[:, None, :, None] & columns[:, None, None, :] & erased[:, None, None, None]
    return (~box).to(images.dtype)


def _uniform(images: Tensor, columns: int, generator: Generator, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Draw (B, columns) numbers in [low, high)."""
    drawn = torch.rand(len(images), columns, generator=generator, device=images.device)
    return low + (high - low) * drawn


def _inside(place: Tensor, size: Tensor, side: int) -> Tensor:
    """Tell the pixels, (B, side), of boxes of these sizes; `place` in [0, 1) is where each lies among all places."""
    first = (place * (side - size + 1)).floor()[:, None]
    pixel = torch.arange(side, device=place.device)
    return (pixel >= first) & (pixel < first + size[:, None])
