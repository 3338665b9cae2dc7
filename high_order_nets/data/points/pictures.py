"""A picture as points: where its pixels are, and their colours."""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import UserError, show
from ..images.files import read_image
from .tables import Points

PHOTOGRAPHS = ("china", "flower")
"""Those that scikit-learn ships."""
NAMES = {1: ("grey",), 3: ("red", "green", "blue")}
"""Of the outputs, by their number."""
BOUNDS = ((-1.0, -1.0), (1.0, 1.0))


def picture_points(photograph: str, path: Path | None, size: int | None, channels: int | None) -> Points:
    """Give all pixels, to train and to test on: x and y of their middles, in [-1, 1], and their values in [0, 1].

    x grows to the right and y upwards; rows come from the top. The picture is the file at `path`, else the photograph
    of this name; with `size` its middle square, scaled to size × size pixels. Raises UserError for what is no picture.
    """
    if channels not in NAMES:
        raise UserError(f"dataset.channels={show(channels)}: a picture has 3, its colours, or 1: grey")
    pixels = (_photograph(photograph) if path is None else _file(path, channels)).double() / 255
    if pixels.shape[1] != channels:
        pixels = pixels.mean(1, keepdim=True)
    if size is not None:
        pixels = _middle(pixels, size)
    values = pixels[0].flatten(1).T.contiguous()  # (height · width, channels)
    x = _middles(*pixels.shape[-2:])
    return Points(("x", "y"), NAMES[channels], x, values, x, values, BOUNDS)


def _file(path: Path, channels: int) -> Tensor:
    try:
        return read_image(path, channels)
    except UserError as error:
        raise UserError(f"dataset.path={error}") from error


def _photograph(name: str) -> Tensor:
    from sklearn.datasets import load_sample_image  # noqa: PLC0415 (slow to import, and rarely needed)

    if name not in PHOTOGRAPHS:
        raise UserError(f"dataset.photograph={name}: unknown; expected one of {', '.join(PHOTOGRAPHS)}")
    return torch.tensor(load_sample_image(f"{name}.jpg")).permute(2, 0, 1)[None]


def _middle(pixels: Tensor, size: int) -> Tensor:
    height, width = pixels.shape[-2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = pixels[..., top : top + side, left : left + side]
    scaled = F.interpolate(square, (size, size), mode="bicubic", align_corners=False, antialias=True)
    return scaled.clamp(0, 1)


def _middles(height: int, width: int) -> Tensor:
    """Give x and y of each pixel's middle, row by row: float64 (height · width, 2)."""
    x, y = ((2 * torch.arange(count, dtype=torch.float64) + 1) / count - 1 for count in (width, height))
    return torch.stack([x.repeat(height), -y.repeat_interleave(width)], 1)
