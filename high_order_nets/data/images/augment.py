"""Random crops, flips, rotations, policies and cutout, on a whole batch at once and on the device that holds it."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from ...errors import UserError
from .erasing import kept
from .policy import BINS, POLICIES, apply_policy


@dataclass(frozen=True)
class Augment:
    """Changes each image of a batch at random: shift, mirror, turn, the policy's operations, then blank parts.

    `crop` shifts by up to that many pixels either way (a random crop of the image padded with zeros), `flip` mirrors
    left and right with probability one half, `rotation` turns by up to that many degrees either way, and `cutout` sets
    a square of that many pixels a side to zero; it is centred on a random pixel, so a part may fall outside. `policy`
    trivial is one operation an image, rand so many (`policy_ops`) of one magnitude: see `policy`. `erasing` is the
    probability that a box is set to zero: see `erasing`.

    Without rotation pixels are moved, never mixed: the result is exact and keeps the dtype. With rotation shift, mirror
    and turn are one bilinear resampling, and uint8 pixels come back as float32 in 0 … 255; a policy rounds them.
    """

    crop: int = 0
    flip: bool = False
    rotation: float = 0.0
    cutout: int = 0
    policy: str = "none"
    policy_ops: int = 2
    policy_magnitude: int = 9
    erasing: float = 0.0

    def __post_init__(self):
        if self.crop < 0 or self.cutout < 0:
            raise UserError(f"augment.crop={self.crop} and augment.cutout={self.cutout} must be 0 or more pixels")
        if not 0 <= self.rotation <= 180:
            raise UserError(f"augment.rotation={self.rotation} must lie in [0, 180] degrees")
        if self.policy not in POLICIES:
            raise UserError(f"augment.policy={self.policy}: expected one of {', '.join(POLICIES)}")
        if self.policy_ops < 1 or not 0 <= self.policy_magnitude < BINS:
            numbers = f"augment.policy_ops={self.policy_ops} and augment.policy_magnitude={self.policy_magnitude}"
            raise UserError(f"{numbers} must be at least 1, and in [0, {BINS - 1}]")
        if not 0 <= self.erasing <= 1:
            raise UserError(f"augment.erasing={self.erasing} must lie in [0, 1]")

    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        """Return changed images (B, C, H, W); `generator` lies on their device and decides everything."""
        shift = _integers(images, 2, self.crop, generator)
        mirror = _uniform(images, generator) < (0.5 if self.flip else 0.0)
        if self.rotation:
            angle = (2 * _uniform(images, generator) - 1) * math.radians(self.rotation)
            images = _resample(images, shift, mirror, angle)
        elif self.crop or self.flip:
            images = _move(images, shift, mirror, self.crop)
        if self.policy != "none":
            images = images if images.dtype == torch.uint8 else images.round().to(torch.uint8)
        for _ in range({"none": 0, "trivial": 1}.get(self.policy, self.policy_ops)):
            images = apply_policy(images, self.policy, self.policy_magnitude, generator)
        if self.cutout:
            images = images * _outside_square(images, self.cutout, generator)
        if self.erasing:
            images = images * kept(images, self.erasing, generator)
        return images


def _uniform(images: Tensor, generator: Generator) -> Tensor:
    return torch.rand(len(images), generator=generator, device=images.device)


def _integers(images: Tensor, columns: int, bound: int, generator: Generator) -> Tensor:
    """Draw (B, columns) integers from -bound … bound."""
    shape = (len(images), columns)
    return torch.randint(-bound, bound + 1, shape, generator=generator, device=images.device)


def _resample(images: Tensor, shift: Tensor, mirror: Tensor, angle: Tensor) -> Tensor:
    """Read output pixel p from input pixel  mirror · R(angle) · p + shift,  bilinearly; zero outside the image.

    The coordinates u, v are grid_sample's, -1 … 1 over the image, hence the factors W/2 and H/2. The grid is a sum of
    a term in u and a term in v, which is several times faster than F.affine_grid's batched product.
    """
    images = images if images.is_floating_point() else images.float()
    height, width = images.shape[2:]
    cos, sin, sign = angle.cos(), angle.sin(), 1 - 2 * mirror.float()
    u, v = _pixel_centres(width, images), _pixel_centres(height, images)
    along_u = torch.stack([sign * cos, sin * (width / height)], dim=1)  # (B, 2): x and y of the source
    along_v = torch.stack([-sign * sin * (height / width), cos], dim=1)
    origin = torch.stack([shift[:, 0] * (2 / width), shift[:, 1] * (2 / height)], dim=1)
    across = along_u[:, :, None] * u  # (B, 2, W)
    down = along_v[:, :, None] * v + origin[:, :, None]  # (B, 2, H)
    grid = across[:, :, None, :] + down[:, :, :, None]  # (B, 2, H, W): x and y apart, the fast layout
    return F.grid_sample(images, grid.permute(0, 2, 3, 1).to(images.dtype), align_corners=False)


def _pixel_centres(size: int, images: Tensor) -> Tensor:
    return (2 * torch.arange(size, device=images.device) + 1) / size - 1


def _move(images: Tensor, shift: Tensor, mirror: Tensor, margin: int) -> Tensor:
    """Gather each output pixel from the padded input: the same map as `_resample` without the turn, exact."""
    height, width = images.shape[2:]
    padded = F.pad(images, (margin,) * 4)
    row, column = (torch.arange(size, device=images.device) for size in (height, width))
    rows = row + shift[:, 1:] + margin  # (B, H)
    columns = torch.where(mirror[:, None], column.flip(0), column) + shift[:, :1] + margin  # (B, W)
    flat = rows[:, :, None] * padded.shape[3] + columns[:, None, :]  # (B, H, W) indices into a padded plane
    flat = flat.flatten(1)[:, None, :].expand(-1, images.shape[1], -1)
    return padded.flatten(2).gather(2, flat).view(images.shape)


def _outside_square(images: Tensor, side: int, generator: Generator) -> Tensor:
    """Draw a mask (B, 1, H, W) of the images' dtype, zero in one square an image."""
    inside = []
    for size in images.shape[2:]:
        centre = torch.randint(size, (len(images), 1), generator=generator, device=images.device)
        first = centre - side // 2
        pixel = torch.arange(size, device=images.device)
        inside.append(((pixel >= first) & (pixel < first + side)).to(images.dtype))  # (B, size)
    rows, columns = inside
    return 1 - rows[:, None, :, None] * columns[:, None, None, :]
