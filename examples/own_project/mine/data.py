"""A data set: discs, squares and crosses in noise."""

import torch
from torch import Tensor

from high_order_nets.data.images.tensors import ImageData

CLASSES = ("disc", "square", "cross")


def shapes(count: int = 600, size: int = 12, noise: float = 0.2) -> ImageData:
    """Draw `count` images of size × size to train on, and a third as many to test on."""
    generator = torch.Generator().manual_seed(0)
    train, test = (_drawn(number, size, noise, generator) for number in (count, count // 3))
    return ImageData("shapes", CLASSES, *train, *test)


def _drawn(count: int, size: int, noise: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    labels = torch.randint(len(CLASSES), (count,), generator=generator)
    middle, radius = torch.rand(2, count, 1, 1, generator=generator) * size / 3 + size / 3, size / 4
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    down, across = (y - middle[0]).abs(), (x - middle[1]).abs()
    near = torch.maximum(down, across) <= radius
    masks = torch.stack([down**2 + across**2 <= radius**2, near, near & (torch.minimum(down, across) < 1)], 1)
    ink = masks[torch.arange(count), labels] * 0.8 + noise * torch.randn(count, size, size, generator=generator)
    return (ink.clamp(0, 1) * 255).to(torch.uint8)[:, None], labels
