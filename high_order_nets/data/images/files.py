"""Reads any image file as a viewer shows it."""

from pathlib import Path

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps
from torch import Tensor

from ...errors import UserError


def read_image(path: Path, channels: int) -> Tensor:
    """Read any image file that PIL knows, as uint8 (1, channels, height, width), grey or colour, as a viewer shows it.

    Upright by its EXIF orientation, what is transparent over white, 16 bits a sample scaled to 8, floats from 0 to 1;
    of an animation the first frame. Colour profiles are not applied. Raises UserError for a file that is no image, and
    for samples whose black and white the file does not say.
    """
    modes = {1: "L", 3: "RGB"}
    if channels not in modes:
        raise UserError(f"{path}: the network takes {channels} channels; image files have 1 or 3")
    try:
        with Image.open(path) as file:
            _check_turned(file)
            file.load()  # all of it: the orientation may stand behind the pixels
            pixels = np.array(_opaque(_of_bytes(ImageOps.exif_transpose(file))).convert(modes[channels]))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"{path}: not an image that can be read ({' '.join(str(error).split())})") from error
    return torch.from_numpy(pixels).view(1, *pixels.shape[:2], channels).permute(0, 3, 1, 2)


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
