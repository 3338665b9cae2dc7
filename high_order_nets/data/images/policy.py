"""TrivialAugment and RandAugment: each image of a batch changed in its own way, all that change alike at once.

Operations, magnitudes and rounding are those of torchvision.transforms.v2, to the bit on a CPU; what a warp brings in
from outside is 0, and pixels are taken from the nearest one.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor
from torchvision.transforms.v2 import functional as vision

POLICIES = ("none", "trivial", "rand")
BINS = 31
"""Magnitudes of an operation."""
Magnitudes = Callable[[int], Tensor]
"""Gives them, (31,), for images of so many pixels a side."""


class Operation(NamedTuple):
    """Changes images, uint8 (B, C, S, S), by a magnitude each, float64 (B,)."""

    change: Callable[[Tensor, Tensor], Tensor]
    trivial: Magnitudes
    rand: Magnitudes
    signed: bool = False


def apply_policy(images: Tensor, policy: str, magnitude: int, generator: Generator) -> Tensor:
    """Change each image by one operation of fourteen, drawn evenly: uint8 (B, C, S, S) → the same.

    policy `trivial` draws the magnitude too (TrivialAugment, wide; Müller & Hutter, ICCV 2021), for `rand` it is the
    one of this number, 0 … 30 (a step of RandAugment; Cubuk et al., NeurIPS 2020). Signs are drawn.
    """
    count, device, size = len(images), images.device, images.shape[3]
    drawn = torch.randint(len(OPERATIONS), (count,), generator=generator, device=device)
    places = torch.randint(BINS, (count,), generator=generator, device=device)
    signs = 2.0 * torch.randint(2, (count,), generator=generator, device=device) - 1
    if policy == "rand":
        places.fill_(magnitude)
    changed = images.clone()
    for number, operation in enumerate(OPERATIONS):
        chosen = (drawn == number).nonzero().squeeze(1)
        if len(chosen) and operation.change is not _identity:
            table = getattr(operation, policy)(size).double().to(device)
            magnitudes = table[places[chosen]] * (signs[chosen] if operation.signed else 1)
            changed.index_copy_(0, chosen, operation.change(images.index_select(0, chosen), magnitudes))
    return changed


def _identity(images: Tensor, _: Tensor) -> Tensor:
    return images


def _shear_x(images: Tensor, m: Tensor) -> Tensor:
    """Shear about the image's upper left corner."""
    return _warped(images, (1, m, m * (images.shape[2] / 2)), (0, 1, 0))


def _shear_y(images: Tensor, m: Tensor) -> Tensor:
    return _warped(images, (1, 0, 0), (m, 1, m * (images.shape[3] / 2)))


def _translate_x(images: Tensor, m: Tensor) -> Tensor:
    """Shift by whole pixels."""
    return _warped(images, (1, 0, -m.trunc()), (0, 1, 0))


def _translate_y(images: Tensor, m: Tensor) -> Tensor:
    return _warped(images, (1, 0, 0), (0, 1, -m.trunc()))


def _rotate(images: Tensor, m: Tensor) -> Tensor:
    """Turn by m degrees, against the clock."""
    cos, sin = torch.deg2rad(m).cos(), torch.deg2rad(m).sin()
    return _warped(images, (cos, -sin, 0), (sin, cos, 0))


def _warped(images: Tensor, *rows: tuple[Tensor | float, ...]) -> Tensor:
    """Take the pixel at (x, y), from the middle, from x' = a x + b y + c and y' alike; each of a, b, c may be (B,)."""
    count, _, height, width = images.shape
    device = images.device
    numbers = [torch.as_tensor(each, device=device).double().expand(count) for row in rows for each in row]
    half = torch.tensor([0.5 * width, 0.5 * height], device=device)
    theta = torch.stack(numbers, 1).float().view(count, 2, 3).transpose(1, 2) / half
    base = torch.ones(height, width, 3, device=device)
    base[..., 0], base[..., 1] = _middle(width, device), _middle(height, device)[:, None]
    grid = base.view(1, -1, 3).expand(count, -1, -1).bmm(theta).view(count, height, width, 2)
    return F.grid_sample(images.float(), grid, mode="nearest", align_corners=False).to(images.dtype)


def _middle(size: int, device: torch.device) -> Tensor:
    """Give the places of pixels, from the middle."""
    return torch.linspace((1 - size) * 0.5, (size - 1) * 0.5, size, device=device)


def _brightness(images: Tensor, m: Tensor) -> Tensor:
    return _blended(images.float(), torch.zeros((), device=images.device), m)


def _colour(images: Tensor, m: Tensor) -> Tensor:
    """Blend with shades of grey; grey images stay."""
    return images if images.shape[1] != 3 else _blended(images.float(), _grey(images), m)


def _contrast(images: Tensor, m: Tensor) -> Tensor:
    """Blend with the mean grey."""
    return _blended(images.float(), _grey(images).mean((1, 2, 3), keepdim=True), m)


def _sharpness(images: Tensor, m: Tensor) -> Tensor:
    """Blend with what a 3×3 filter smooths; the edge stays."""
    channels, height, width = images.shape[1:]
    if min(height, width) <= 2:
        return images
    pixels = images.float()
    kernel = torch.full((channels, 1, 3, 3), 1 / 13, device=images.device)
    kernel[:, :, 1, 1] = 5 / 13
    smooth, inner = F.conv2d(pixels, kernel, groups=channels).round(), pixels[:, :, 1:-1, 1:-1]
    inner.copy_(torch.addcmul(inner, smooth - inner, _factor(-m)))
    return _levels(pixels)


def _grey(images: Tensor) -> Tensor:
    """Give the brightness of each pixel, (B, 1, S, S), in whole levels; of others than colours all channels."""
    if images.shape[1] != 3:
        return images.float()
    red, green, blue = images.split(1, 1)
    return red.mul(0.2989).add_(green, alpha=0.587).add_(blue, alpha=0.114).floor_()


def _blended(pixels: Tensor, others: Tensor, m: Tensor) -> Tensor:
    """(1 + m) pixels - m others."""
    return _levels(torch.addcmul(pixels * _factor(1 + m), others, _factor(-m)))


def _factor(m: Tensor) -> Tensor:
    return m.float().view(-1, 1, 1, 1)


def _levels(pixels: Tensor) -> Tensor:
    return pixels.clamp_(0, 255).to(torch.uint8)


def _posterize(images: Tensor, m: Tensor) -> Tensor:
    """Keep the first m bits."""
    dropped = 2 ** (8 - m.long())
    return images & (256 - dropped).to(torch.uint8).view(-1, 1, 1, 1)


def _solarize(images: Tensor, m: Tensor) -> Tensor:
    """Invert pixels of at least 255 m."""
    return torch.where(images >= _factor(255 * m), 255 - images, images)


def _autocontrast(images: Tensor, _: Tensor) -> Tensor:
    """Spread each channel over all levels."""
    low, high = (extreme(images.float(), (2, 3), keepdim=True) for extreme in (torch.amin, torch.amax))
    flat = high == low
    scale = ((high - low) * (1 / 255)).masked_fill_(flat, 1.0)
    return _levels((images - low.masked_fill_(flat, 0.0)) / scale)


def _equalize(images: Tensor, _: Tensor) -> Tensor:
    """Make all levels of a channel about equally frequent."""
    return vision.equalize(images)


def _rising(top: float) -> Magnitudes:
    return lambda _: torch.linspace(0.0, top, BINS)


def _of_side(part: float) -> Magnitudes:
    return lambda size: torch.linspace(0.0, part * size, BINS)


def _bits(fewer: int) -> Magnitudes:
    return lambda _: (8 - torch.arange(BINS) / ((BINS - 1) / fewer)).round()


def _falling(_: int) -> Tensor:
    return torch.linspace(1.0, 0.0, BINS)


OPERATIONS = (
    Operation(_identity, _falling, _falling),
    Operation(_shear_x, _rising(0.99), _rising(0.3), signed=True),
    Operation(_shear_y, _rising(0.99), _rising(0.3), signed=True),
    Operation(_translate_x, _rising(32.0), _of_side(150 / 331), signed=True),
    Operation(_translate_y, _rising(32.0), _of_side(150 / 331), signed=True),
    Operation(_rotate, _rising(135.0), _rising(30.0), signed=True),
    Operation(_brightness, _rising(0.99), _rising(0.9), signed=True),
    Operation(_colour, _rising(0.99), _rising(0.9), signed=True),
    Operation(_contrast, _rising(0.99), _rising(0.9), signed=True),
    Operation(_sharpness, _rising(0.99), _rising(0.9), signed=True),
    Operation(_posterize, _bits(6), _bits(4)),
    Operation(_solarize, _falling, _falling),
    Operation(_autocontrast, _falling, _falling),
    Operation(_equalize, _falling, _falling),
)
"""In torchvision's order; the first changes nothing."""
