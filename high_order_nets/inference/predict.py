"""Says what a trained network makes of image files, or what it takes to come next in a text."""

import csv
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from ..data.images.files import read_square
from ..errors import UserError
from ..files import whole_file
from .autoencoder import Autoencoder
from .classifier import Classifier
from .language import Choice, LanguageModel
from .load import but_points, load

TOP, RANKS = 3, 5
"""Classes named for each image, in a line and in a row of a CSV."""
AT_ONCE = 64
"""Images that the network sees at once."""
TOKENS = 50
"""How far a text is continued."""


class Seen(NamedTuple):
    """What a network makes of an image: its likeliest classes, or how well it is reconstructed, in dB, and its code.

    In a line, and as the cells of a row.
    """

    said: str
    cells: list[str]


class Predictions(NamedTuple):
    """A line for each image that was read, and one for each that could not be."""

    lines: list[str]
    unreadable: list[str]


def predict(checkpoint: Path, images: Sequence[Path], out: Path | None = None, weights: str = "raw") -> Predictions:
    """Say of each image file its likeliest classes with their probabilities; of an autoencoder what `Seen` has.

    An image is what training on one's own makes of it: its middle square, scaled. With `out` the rows go into that
    CSV, and one line says so. Raises UserError where no file is an image, and for a checkpoint of something else.
    """
    module = but_points(load(checkpoint, weights), checkpoint, "predict")
    if isinstance(module, LanguageModel):
        raise UserError(f"ckpt={checkpoint}: a language model; give it text=… instead of images")
    found: list[tuple[Path, Seen]] = []
    unreadable: list[str] = []
    for first in range(0, len(images), AT_ONCE):
        paths, pixels = _read(images[first : first + AT_ONCE], module, unreadable)
        if paths:
            with torch.inference_mode():
                found += zip(paths, _seen(module, torch.cat(pixels)), strict=True)
    if not found:
        others = f"; so with all {len(images):,} images" if len(images) > 1 else ""
        raise UserError(unreadable[0] + others)
    if out is not None:
        _write(out, _columns(module), found)
        return Predictions([f"{shlex.quote(str(out))}: predictions of {len(found):,} images"], unreadable)
    width = max(len(str(path)) for path, _ in found)
    return Predictions([f"{path!s:<{width}}  {seen.said}" for path, seen in found], unreadable)


def foretell(checkpoint: Path, text: str, tokens: int, choice: Choice, weights: str = "raw") -> list[str]:
    """Return the likeliest next words with their probabilities, in a line, and the text continued.

    First, in a line, the words that the network does not know. Raises UserError for a checkpoint of something else.
    """
    module = but_points(load(checkpoint, weights), checkpoint, "predict")
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


def _read(
    paths: Sequence[Path], module: Classifier | Autoencoder, unreadable: list[str]
) -> tuple[list[Path], list[Tensor]]:
    """Read what are images; say of the others why they are not."""
    read, pixels = [], []
    for path in paths:
        try:
            pixels.append(read_square(path, module.channels, module.image_size))
            read.append(path)
        except UserError as error:
            unreadable.append(str(error))
    return read, pixels


def _seen(module: Classifier | Autoencoder, images: Tensor) -> list[Seen]:
    """Say what a network makes of images, all of a size."""
    if isinstance(module, Autoencoder):
        pixels = module.normalisation.back(module.scaled(images)) / 255
        psnrs = -10 * (module(images) - pixels).square().mean((1, 2, 3)).log10()
        return [_coded(*each) for each in zip(psnrs.tolist(), module.encode(images).tolist(), strict=True)]
    top = module.probabilities(images).topk(min(RANKS, len(module.classes)))
    return [_ranked(module, *each) for each in zip(top.values.tolist(), top.indices.tolist(), strict=True)]


def _coded(psnr: float, code: list[float]) -> Seen:
    said = f"psnr {psnr:.2f} dB, code {' '.join(f'{number:.3f}' for number in code)}"
    return Seen(said, [f"{number:.6g}" for number in (psnr, *code)])


def _ranked(module: Classifier, values: list[float], indices: list[int]) -> Seen:
    ranked = [(module.classes[index], value) for index, value in zip(indices, values, strict=True)]
    said = "  ".join(f"{name} {value:.1%}" for name, value in ranked[:TOP])
    return Seen(said, [cell for name, value in ranked for cell in (name, f"{value:.6g}")])


def _columns(module: Classifier | Autoencoder) -> list[str]:
    """Name the columns of the CSV."""
    if isinstance(module, Autoencoder):
        return ["path", "psnr", *(f"code{number}" for number in range(module.latent))]
    ranks = ["", *range(2, min(RANKS, len(module.classes)) + 1)]
    return ["path", *(f"{column}{rank}" for rank in ranks for column in ("class", "probability"))]


def _write(out: Path, columns: Sequence[str], found: Sequence[tuple[Path, Seen]]) -> None:
    try:
        with (
            whole_file(out) as part,
            # A name that is no text keeps its bytes.
            part.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
        ):
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(columns)
            rows.writerows([str(path), *seen.cells] for path, seen in found)
    except OSError as error:
        raise UserError(f"out={out}: cannot be written: {error.strerror or error}") from error
