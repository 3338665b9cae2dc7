"""Reads any image file as a viewer shows it, whole or as a square."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from ...errors import UserError

MODES = {1: "L", 3: "RGB"}
"""PIL's names of grey and colour, by the number of channels."""


GREY = ("1", "L", "LA", "La", "I", "F")
"""PIL's names of images without colour, beside those of 16 bits."""


class Unreadable(ValueError):
    """Something is no image, or cut off, or its black and white are not known."""


def read_image(path: Path, channels: int) -> Tensor:
    """Read any image file that PIL knows, as uint8 (1, channels, height, width), grey or colour, as a viewer shows it.

    Upright by its EXIF orientation, what is transparent over white, 16 bits a sample scaled to 8, floats from 0 to 1;
    of an animation the first frame. Colour profiles are not applied. Raises UserError for a file that is no image, and
    for samples whose black and white the file does not say.
    """
    return _tensor(_read(path, channels, lambda image: image))


def read_square(path: Path, channels: int, size: int) -> Tensor:
    """Read the same as uint8 (1, channels, size, size): the middle square of the image, scaled."""
    return _tensor(_read(path, channels, lambda image: squared(image, size)))


def open_image(source: Path | np.ndarray, channels: int) -> Image.Image:
    """Open a file, or pixels of uint8 (height, width) or (height, width, samples), as PIL's L or RGB.

    Raises Unreadable, which says why in a line.
    """
    try:
        with Image.open(source) if isinstance(source, Path) else Image.fromarray(source) as file:
            _check_turned(file)
            file.load()  # all of it: the orientation may stand behind the pixels
            return _opaque(_of_bytes(ImageOps.exif_transpose(file))).convert(MODES[channels])
    except Exception as error:  # a stranger's file may fail anywhere
        raise Unreadable(_reason(error)) from error


def glance(source: Path | np.ndarray) -> tuple[tuple[int, int], bool]:
    """Say how wide and how high an image is as it is stored, and whether it is grey, without reading its pixels.

    Raises Unreadable.
    """
    if not isinstance(source, Path):
        return (source.shape[1], source.shape[0]), source.ndim == 2
    try:
        with Image.open(source) as file:
            return file.size, file.mode in GREY or file.mode.startswith("I;16")
    except Exception as error:  # a stranger's file may fail anywhere
        raise Unreadable(_reason(error)) from error


def _reason(error: Exception) -> str:
    """Say in a line why something is no image; PIL names its path too, and the caller knows that."""
    if isinstance(error, UnidentifiedImageError):
        return "no kind of image that is known"
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(said.split()) or type(error).__name__


def squared(image: Image.Image, size: int) -> Image.Image:
    """Cut the middle square out of an image and scale it, bilinearly over the pixels that each new one covers."""
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    # Cut first: with resize's own box, pixels outside of it would shine in.
    return image.crop((left, top, left + side, top + side)).resize((size, size), Image.Resampling.BILINEAR)


def _read(path: Path, channels: int, fit: Callable[[Image.Image], Image.Image]) -> np.ndarray:
    if channels not in MODES:
        raise UserError(f"{path}: the network takes {channels} channels; image files have 1 or 3")
    try:
        return np.array(fit(open_image(path, channels)))
    except Unreadable as error:
        raise UserError(f"{path}: not an image that can be read ({error})") from error


def _tensor(pixels: np.ndarray) -> Tensor:
    """Give the pixels (height, width) or (height, width, channels) as a batch of one, (1, channels, height, width)."""
    return torch.from_numpy(pixels).view(1, *pixels.shape[:2], -1).permute(0, 3, 1, 2)


def _check_turned(file: Image.Image) -> None:
    """Refuse a TIFF on its side: Pillow 13 reads its rows with the wrong length."""
    width, height = file.size
    if file.format == "TIFF" and width != height and file.getexif().get(ExifTags.Base.Orientation, 1) >= 5:
        raise ValueError("a TIFF that is to be turned by its orientation: save it upright")


def _of_bytes(image: Image.Image) -> Image.Image:
    """Bring samples of more than 8 bits to 8; PIL would clip them."""
    if image.mode != "F" and not image.mode.startswith("I"):
        return image
    samples = np.asarray(image)
    low, high = float(samples.min()), float(samples.max())
    if image.mode == "F":
        white = 1.0
    elif image.mode == "I" and image.format != "PNG":  # of a PNG they are 16 bits
        raise ValueError("samples of 32 bits: what is white is not known")
    else:
        white = 65535.0
    if not 0 <= low <= high <= white:
        raise ValueError(f"samples from {low:g} to {high:g}: expected 0 to {white:g}")
    grey = Image.fromarray(np.round(samples.astype(np.float64) * (255 / white)).astype(np.uint8), "L")
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        grey.putalpha(Image.fromarray(np.where(samples == clear, 0, 255).astype(np.uint8), "L"))
    return grey


def _opaque(image: Image.Image) -> Image.Image:
    """Lay what is transparent over white."""
    if not image.has_transparency_data:
        return image
    full = image.convert("RGBA")  # from a palette's colour, a single one that is clear, or premultiplied ones too
    return Image.alpha_composite(Image.new("RGBA", full.size, "white"), full)
