"""From pixels 0 … 255 to the numbers a network sees."""

from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

CHUNK = 2**24  # values of pixels whose squares are held at once
MODES = ("bilinear", "bicubic")
"""How images may be resized."""


@dataclass(frozen=True)
class Normalisation:
    """input = (pixel - offset) · factor, one offset and one factor a channel, at `image_size` pixels a side.

    `image_size` None keeps the size of the images. With `resize` they get that many pixels a side, of which the middle
    is taken; `mode` is bilinear or bicubic. The fields are plain values, to be saved beside a model:
    `Normalisation(**saved)` is the same map again.
    """

    offset: tuple[float, ...]
    factor: tuple[float, ...]
    image_size: int | None = None
    resize: int | None = None
    mode: str = "bilinear"

    @classmethod
    def to_interval(cls, channels: int, interval: float, image_size: int | None = None) -> Self:
        """Map pixels linearly: 0 to -interval/2 and 255 to interval/2."""
        return cls((127.5,) * channels, (interval / 255,) * channels, image_size)

    @classmethod
    def to_standard(
        cls, images: Tensor, interval: float, image_size: int | None = None, chosen: Tensor | None = None
    ) -> Self:
        """input = (pixel - mean) / (2 std) · interval/2, with the statistics of `images`, uint8 (N, C, H, W).

        Two standard deviations either side of the mean fill the interval. Of images mapped from a file those that are
        `chosen`, by their indices, are read a few at a time.
        """
        chosen = torch.arange(len(images)) if chosen is None else chosen
        total = torch.zeros(images.shape[1], dtype=torch.float64)
        squares = torch.zeros_like(total)
        for few in chosen.split(max(1, CHUNK // images[0].numel())):
            pixels = images.index_select(0, few).long()
            total += pixels.sum((0, 2, 3))
            squares += pixels.square().sum((0, 2, 3))
        count = len(chosen) * images[0, 0].numel()
        mean = total / count
        # Half a grey level keeps a channel without contrast finite.
        std = (squares / count - mean.square()).clamp(min=0.25).sqrt()
        return cls(tuple(mean.tolist()), tuple((interval / (4 * std)).tolist()), image_size)

    def back(self, inputs: Tensor) -> Tensor:
        """Return the pixels (B, C, S, S), in 0 … 255 and not rounded, that were scaled to these inputs."""
        offset, factor = (inputs.new_tensor(numbers)[:, None, None] for numbers in (self.offset, self.factor))
        return inputs / factor + offset

    def __call__(self, images: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return the inputs, `dtype` (B, C, S, S), of pixels (B, C, H, W) of any dtype in 0 … 255."""
        inputs = torch.empty(images.shape, dtype=dtype, device=images.device)
        for channel, (offset, factor) in enumerate(zip(self.offset, self.factor, strict=True)):
            # By numbers and by channel: a tensor of constants would have to be copied to the device each time.
            inputs[:, channel].copy_(images[:, channel]).sub_(offset).mul_(factor)
        size = self.resize or self.image_size
        if size is not None and images.shape[-2:] != (size, size):
            inputs = F.interpolate(inputs, (size, size), mode=self.mode, align_corners=False, antialias=True)
        return inputs if self.resize is None else self._middle(inputs)

    def _middle(self, inputs: Tensor) -> Tensor:
        """Take the square of `image_size` pixels a side in the middle."""
        assert self.resize is not None
        assert self.image_size is not None
        start = round((self.resize - self.image_size) / 2)  # to even, as torchvision does
        return inputs[..., start : start + self.image_size, start : start + self.image_size]
