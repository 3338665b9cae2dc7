"""Blocks without activations, kept in bounds by other means: R-PolyNets (Chrysos et al., CVPR 2023)."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.ops import drop_block2d

from ...layers import IBN
from .pi import Pi
from .residual import Place


class DropBlock(nn.Module):
    """Blank squares of pixels in training, on average a tenth of all (Ghiasi et al., NeurIPS 2018).

    They have 7 pixels a side, in a smaller image the largest odd number that fits.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape, (batch, channels, height, width)."""
        largest = min(7, *x.shape[2:])
        return drop_block2d(x, 0.1, largest - (largest + 1) % 2, training=self.training)


class RPoly(Pi):
    """F + S + α N(conv1×1(F ∗ S)), without activations, α from 0: the block of R-PolyNets.

    The first norm of F is IBN in all stages but the last. After each of those follows a max-pool of stride 1, after the
    first two also DropBlock. Convolutions start normal with deviation 4/√fan_in.
    """

    activated = False

    def __init__(self, *sizes: int, place: Place | None = None, **options: Any):
        super().__init__(*sizes, after=1, zero_init=False, place=place, **options)
        self.alpha = nn.Parameter(torch.zeros(1))
        if (place or Place()).stage < 3:
            self.bn1 = IBN(self.bn1.num_features)  # type: ignore[arg-type]

    def second_order(self, f: Tensor, s: Tensor) -> Tensor:
        """α N(conv1×1(F ∗ S))."""
        return self.alpha * super().second_order(f, s)

    def reset_parameters(self) -> None:
        """Draw the convolutions but for the shortcut's."""
        for module in self.children():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=4 / math.sqrt(module.weight[0].numel()))

    @classmethod
    def tail(cls, stage: int) -> list[nn.Module]:
        """Give a max-pool that keeps the size, and DropBlock."""
        pool = [nn.MaxPool2d(3, 1, 1)] if stage < 3 else []
        return [*pool, *([DropBlock()] if stage < 2 else [])]
