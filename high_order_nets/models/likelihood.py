"""What a decoder's outputs say of pixels: log p(x|z) in nats an image. The mean of a pixel is sigmoid(output)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Bernoulli(nn.Module):
    """log p = Σ x log m + (1 - x) log(1 - m), m = sigmoid(outputs): a pixel is black or white, x how often it is white.

    For grey values x in [0, 1] it is the expectation of log p over images whose pixels are white with probability x,
    which is how grey images of digits are commonly read (Salakhutdinov and Murray, ICML 2008). At most 0.
    """

    def forward(self, outputs: Tensor, pixels: Tensor) -> Tensor:
        """Outputs and pixels (batch, channels, size, size) → (batch,)."""
        return -F.binary_cross_entropy_with_logits(outputs, pixels, reduction="none").flatten(1).sum(1)


class Gaussian(nn.Module):
    """log p = -Σ (x - m)²/(2 s²) + log(s √(2π)), m = sigmoid(outputs): a density of pixels in [0, 1].

    One deviation s for all pixels is learned with the network (Rybkin et al., arXiv:2006.13202), so that neither term
    of the bound is given a weight by hand.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log_deviation = nn.Parameter(torch.tensor(-1.0))

    def forward(self, outputs: Tensor, pixels: Tensor) -> Tensor:
        """Outputs and pixels (batch, channels, size, size) → (batch,)."""
        errors = (pixels - outputs.sigmoid()) * (-self.log_deviation).exp()
        return -(errors.square() / 2 + self.log_deviation + math.log(2 * math.pi) / 2).flatten(1).sum(1)


LIKELIHOODS: dict[str, type[nn.Module]] = {"bernoulli": Bernoulli, "gaussian": Gaussian}
"""By name: bernoulli is made for digits, which are nearly black and white, gaussian for photographs."""
