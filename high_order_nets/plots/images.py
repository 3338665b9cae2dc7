"""What an autoencoder has learned, as grids of images: reconstructions, samples, and walks from code to code."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Generator, Tensor

from ..data.images.module import ImageDataModule
from ..models.autoencoder import ConvAutoencoder, ConvVariationalAutoencoder
from ..tasks import Autoencoding
from .observe import evaluating
from .style import WIDTH, head

COLUMNS, ROWS = 12, 6
"""Images of a row, and rows of samples and walks."""
LEFT, RIGHT, BOTTOM, TOP = 0.85, 0.1, 0.4, 0.5
"""Margins in inches."""


@torch.no_grad()
def draw(task: Autoencoding, data: ImageDataModule, title: str) -> Iterator[tuple[str, Figure]]:
    """Draw reconstructions of test images, samples of a variational autoencoder, and what lies between codes."""
    net = task.net
    assert isinstance(net, ConvAutoencoder)
    like = next(net.parameters())
    chosen = torch.linspace(0, len(data.data.test_images) - 1, 2 * COLUMNS).long()
    inputs = data.prepare(data.data.test_images[chosen].to(like.device), like.dtype)
    pixels = task.pixels(inputs)
    with evaluating(net):
        codes = net.encode(inputs)
        yield "reconstructions", draw_reconstructions(pixels[::2], net.decode(codes[::2]), title)
        if isinstance(net, ConvVariationalAutoencoder):
            drawn = torch.randn(ROWS * COLUMNS, net.latent, generator=Generator().manual_seed(0)).to(like)
            yield "samples", draw_samples(net.decode(drawn), title)
        yield "codes", _plane(net, codes, title) if net.latent == 2 else _walks(net, pixels, codes, title)


def draw_reconstructions(pixels: Tensor, found: Tensor, title: str) -> Figure:
    """Draw images (N, channels, size, size) in [0, 1], below each its reconstruction and the error of each pixel."""
    errors = (found - pixels).abs()
    rows = torch.stack([pixels, found, errors])
    psnr = -10 * float((errors.square().mean()).log10())
    said = f"test images, reconstructions and |difference|; {psnr:.2f} dB on those shown"
    return _grid(rows, title, said, rows_named=("image", "reconstructed", "error"))


def draw_samples(images: Tensor, title: str) -> Figure:
    """Draw the means of images (ROWS · COLUMNS, channels, size, size) whose codes are drawn from N(0, 1)."""
    rows = images.unflatten(0, (ROWS, COLUMNS))
    return _grid(rows, title, "decoded from codes drawn from the prior N(0, 1); the mean of each pixel")


def _walks(net: ConvAutoencoder, pixels: Tensor, codes: Tensor, title: str) -> Figure:
    """Go from the code of one image to that of the next, in a row each."""
    steps = torch.linspace(0, 1, COLUMNS - 2).to(codes)
    rows = []
    for place in range(0, 2 * ROWS, 2):
        first, last = codes[place], codes[place + 1]
        between = net.decode(first + steps[:, None] * (last - first))
        rows.append(torch.cat([pixels[place, None], between, pixels[place + 1, None]]))
    names = ["image a", *(f"{step:.2f}" for step in steps.tolist()), "image b"]
    said = "decoded from (1 − t) a + t b, where a and b are the codes of two test images"
    return _grid(torch.stack(rows), title, said, columns_named=names, across="t")


def _plane(net: ConvAutoencoder, codes: Tensor, title: str) -> Figure:
    """Decode the plane of codes of two numbers: at quantiles of N(0, 1), or over the codes of the test images."""
    steps = torch.linspace(0.04, 0.96, COLUMNS).to(codes)
    if isinstance(net, ConvVariationalAutoencoder):
        first = second = torch.special.ndtri(steps)
        said = "decoded from the plane of codes, at quantiles of the prior N(0, 1)"
    else:
        low, high = codes.amin(0), codes.amax(0)
        first, second = (low + steps[:, None] * (high - low)).unbind(1)
        said = "decoded from the plane of codes, over those of test images"
    plane = torch.cartesian_prod(second.flip(0), first).flip(1)
    rows = net.decode(plane).unflatten(0, (COLUMNS, COLUMNS))
    columns, names = ([f"{value:.2f}" for value in axis.tolist()] for axis in (first, second.flip(0)))
    across = "first number of the code; upwards the second"
    return _grid(rows, title, said, columns_named=columns, rows_named=names, across=across)


def _grid(
    rows: Tensor,
    title: str,
    said: str,
    *,
    rows_named: Sequence[str] = (),
    columns_named: Sequence[str] = (),
    across: str = "",
) -> Figure:
    """Draw rows of images (rows, columns, channels, size, size) in [0, 1], with white lines between them."""
    tiles, step = _tiled(rows.float().cpu())
    left, bottom = LEFT if rows_named else RIGHT, BOTTOM if columns_named else RIGHT
    height = (WIDTH - left - RIGHT) * tiles.shape[0] / tiles.shape[1]
    total = height + bottom + TOP
    figure = Figure(figsize=(WIDTH, total))
    axes = figure.add_axes((left / WIDTH, bottom / total, 1 - (left + RIGHT) / WIDTH, height / total))
    axes.imshow(tiles, cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
    axes.set_xticks([step * place + step / 2 - 1 for place in range(len(columns_named))], columns_named)
    axes.set_yticks([step * place + step / 2 - 1 for place in range(len(rows_named))], rows_named)
    axes.tick_params(length=0)
    axes.set_xlabel(across)
    axes.spines[:].set_visible(False)
    head(figure, title, {}, RIGHT)
    figure.text(RIGHT / WIDTH, 1 - 0.28 / total, said, va="top")
    return figure


def _tiled(rows: Tensor) -> tuple[np.ndarray, int]:
    """Lay out images with lines of a twelfth of their size between them; give them, and the step between two."""
    size = rows.shape[-1]
    gap = max(1, size // 12)
    padded = torch.nn.functional.pad(rows, (0, gap, 0, gap), value=1.0)
    tiles = padded.permute(0, 3, 1, 4, 2).flatten(0, 1).flatten(1, 2)[:-gap, :-gap]
    return tiles.squeeze(2).numpy(), size + gap
