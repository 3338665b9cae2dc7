"""Mixup and CutMix: each image of a batch with a part of the one before it, and labels that say how much of each."""

from dataclasses import dataclass
from random import Random

import torch.nn.functional as F
from torch import Tensor

from ...errors import UserError

Box = tuple[int, int, int, int]
"""Top, bottom, left and right of a part of an image, in pixels; bottom and right are outside."""


@dataclass(frozen=True)
class Mix:
    """Mixes a batch with itself, turned by one: with one λ ~ Beta(α, α) a batch, as torchvision's v2 transforms do.

    `mixup` is the α of λ x_i + (1 - λ) x_{i-1} (Zhang et al., 2018), `cutmix` that of a box of x_{i-1} in x_i, of a
    share 1 - λ of the area and centred on a random pixel, so that a part may fall outside (Yun et al., 2019); 0 is
    none of it, and of both each is taken half of the time. Labels become λ and 1 - λ of the two classes, λ by the true
    area of the box. `mix_probability` is the part of the batches that are mixed, and `mix_until` that of the epochs,
    after which none is. Raises UserError for what is no α and no part.
    """

    mixup: float = 0.0
    cutmix: float = 0.0
    mix_probability: float = 1.0
    mix_until: float = 1.0

    def __post_init__(self):
        if self.mixup < 0 or self.cutmix < 0:
            raise UserError(f"augment.mixup={self.mixup} and augment.cutmix={self.cutmix} must be 0 or more")
        if not (0 < self.mix_probability <= 1 and 0 < self.mix_until <= 1):
            parts = f"augment.mix_probability={self.mix_probability} and augment.mix_until={self.mix_until}"
            raise UserError(f"{parts} must lie in (0, 1]")

    def covers(self, epoch: int, epochs: int) -> bool:
        """Return whether batches of an epoch, counted from 0, of so many are mixed."""
        return bool(self.mixup or self.cutmix) and epoch < round(self.mix_until * epochs, 6)

    def __call__(self, images: Tensor, labels: Tensor, classes: int, random: Random) -> tuple[Tensor, Tensor]:
        """Return mixed floating-point images (B, C, H, W) and their labels (B, classes), or both as they are.

        `random` decides everything, on the host: the device need not be asked for a number.
        """
        if random.random() >= self.mix_probability:
            return images, labels
        ways = [(alpha, way) for alpha, way in ((self.mixup, _mixup), (self.cutmix, _cutmix)) if alpha]
        alpha, way = ways[random.randrange(len(ways))]
        mixed, share = way(images, random.betavariate(alpha, alpha), random)
        own = F.one_hot(labels, classes).to(images.dtype)
        return mixed, own.roll(1, 0).lerp(own, share)


def _mixup(images: Tensor, share: float, random: Random) -> tuple[Tensor, float]:
    """Give λ x_i + (1 - λ) x_{i-1}, and λ."""
    del random
    return images.roll(1, 0).lerp(images, share), share


def _cutmix(images: Tensor, share: float, random: Random) -> tuple[Tensor, float]:
    """Give x_i with a box of x_{i-1}, and the part of x_i that is left."""
    height, width = images.shape[2:]
    top, bottom, left, right = _box(height, width, share, random)
    mixed = images.clone()
    mixed[:, :, top:bottom, left:right] = images[:, :, top:bottom, left:right].roll(1, 0)
    return mixed, 1 - (bottom - top) * (right - left) / (height * width)


def _box(height: int, width: int, share: float, random: Random) -> Box:
    """Draw the centre of a box with sides of sqrt(1 - λ) of the image's, and cut it where the image ends."""
    x, y = random.randrange(width), random.randrange(height)
    half = 0.5 * (1 - share) ** 0.5
    across, down = int(half * width), int(half * height)
    return max(y - down, 0), min(y + down, height), max(x - across, 0), min(x + across, width)
