"""Says what a trained network makes of image files, or what it takes to come next in a text."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..data.images.files import read_image
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


def _described(module: Classifier | Autoencoder, image: Tensor) -> str:
    if isinstance(module, Autoencoder):
        pixels = module.normalisation.back(module.scaled(image)) / 255
        psnr = -10 * float((module(image) - pixels).square().mean().log10())
        return f"psnr {psnr:.2f} dB, code {' '.join(f'{number:.3f}' for number in module.encode(image)[0].tolist())}"
    probabilities = module.probabilities(image)[0]
    top = probabilities.topk(min(TOP, len(module.classes)))
    ranked = zip(top.values.tolist(), top.indices.tolist(), strict=True)
    return "  ".join(f"{module.classes[index]} {value:.1%}" for value, index in ranked)
