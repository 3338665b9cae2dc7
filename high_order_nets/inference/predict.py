"""Says what a trained network makes of image files, or what it takes to come next in a text."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps
from torch import Tensor

from ..errors import UserError
from .autoencoder import Autoencoder
from .classifier import Classifier
from .language import Choice, LanguageModel
from .load import but_points, load

TOP = 3
"""Classes named for each image."""
TOKENS = 50
"""How far a text is continued."""


def predict(checkpoint: Path, images: Sequence[Path]) -> list[str]:
    """Return a line for each image file: its name, then the likeliest classes with their probabilities.

    Of an autoencoder the peak signal-to-noise ratio of its reconstruction, in dB, and its code. Raises UserError for a
    file that is no image, and for a checkpoint of something else.
    """
    module = but_points(load(checkpoint), checkpoint, "predict")
    if isinstance(module, LanguageModel):
        raise UserError(f"ckpt={checkpoint}: a language model; give it text=… instead of images")
    width = max(len(str(path)) for path in images)
    with torch.inference_mode():
        found = [_described(module, read_image(path, module.channels)) for path in images]
    return [f"{path!s:<{width}}  {said}" for path, said in zip(images, found, strict=True)]


def foretell(checkpoint: Path, text: str, tokens: int, choice: Choice) -> list[str]:
    """Return the likeliest next words with their probabilities, in a line, and the text continued.

    First, in a line, the words that the network does not know. Raises UserError for a checkpoint of something else.
    """
    module = but_points(load(checkpoint), checkpoint, "predict")
    if not isinstance(module, LanguageModel):
        raise UserError(f"ckpt={checkpoint}: trained on images; give it image files instead of text=")
    unknown = module.unknown(text)
    likely = "  ".join(f"{_word(word)} {value:.1%}" for word, value in module.next_words(text))
    return [
        *([f"read as <unk>: {' '.join(unknown)}"] if unknown else []),
        f"next: {likely}",
        *([module.continued(text, tokens, choice)] if tokens else []),
    ]


def _word(word: str) -> str:
    """Return a token so that its spaces can be seen."""
    return word if word and word == word.strip() else repr(word)


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


def _described(module: Classifier | Autoencoder, image: Tensor) -> str:
    if isinstance(module, Autoencoder):
        pixels = module.normalisation.back(module.scaled(image)) / 255
        psnr = -10 * float((module(image) - pixels).square().mean().log10())
        return f"psnr {psnr:.2f} dB, code {' '.join(f'{number:.3f}' for number in module.encode(image)[0].tolist())}"
    probabilities = module.probabilities(image)[0]
    top = probabilities.topk(min(TOP, len(module.classes)))
    ranked = zip(top.values.tolist(), top.indices.tolist(), strict=True)
    return "  ".join(f"{module.classes[index]} {value:.1%}" for value, index in ranked)
