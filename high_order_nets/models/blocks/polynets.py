"""Blocks without activations, kept in bounds by other means: R- and D-PolyNets (Chrysos et al., CVPR 2023)."""

import math
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.ops import drop_block2d

from ...layers import IBN, IterNorm, SharedNorm
from .pi import Pi
from .precision import exactly, full
from .residual import Place, conv1x1

Passed = tuple[Tensor, tuple[Tensor, ...]]
"""What a block of D-PolyNets hands on: its output, and the products of all blocks so far."""


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
        """Draw the convolutions of F and of the second order."""
        super().reset_parameters()
        for index in range(1, self.last + 1):
            weight = getattr(self, f"conv{index}").weight
            nn.init.normal_(weight, std=4 / math.sqrt(weight[0].numel()))

    @classmethod
    def tail(cls, stage: int, channels: int) -> list[nn.Module]:
        """Give a max-pool that keeps the size, and DropBlock."""
        del channels
        pool = [nn.MaxPool2d(3, 1, 1)] if stage < 3 else []
        return [*pool, *([DropBlock()] if stage < 2 else [])]


class DPoly(RPoly):
    """F + S + α N(conv1×1(H)), H = θ F ∗ S ∗ I(P(∏ H')) + F ∗ S over the H' of all earlier blocks: of D-PolyNets.

    z or (z, (H', …)) → (out, (H', …, H)). P is a 1×1 convolution, I an iterative norm; α starts at 1, θ at 0. Where
    shapes change a 1×1 convolution brings each H' along, and a norm: its scale and shift are the same for all, its
    statistics are each H's own. The first block has θ, P and I too, as the authors' has; none is read there.
    """

    def __init__(self, *sizes: int, place: Place | None = None, **options: Any):
        super().__init__(*sizes, place=place, **options)
        inputs, _, stride = sizes
        self.theta = nn.Parameter(torch.zeros(1))
        self.convp = nn.Conv2d(self.channels, self.channels, 1)
        self.bnp = IterNorm(self.channels)
        earlier = (place or Place()).before
        if not earlier:
            for parameter in (self.theta, *self.convp.parameters(), *self.bnp.parameters()):
                parameter.requires_grad_(False)  # nothing reaches them: processes that share gradients would wait
        elif self.downsample is not None:
            self.convh = conv1x1(inputs, self.channels, stride)
            self.bnh = SharedNorm(self.channels, earlier)

    def forward(self, z: Tensor | Passed) -> Passed:  # type: ignore[override]
        """Multiply with all earlier blocks, in float32 at least."""
        z, earlier = z if isinstance(z, tuple) else (z, ())
        f, s = self.halves(z)
        with exactly(f):
            h = full(f) * full(s)
            if earlier:
                if self.downsample is not None:
                    earlier = self.bnh([self.convh(each) for each in earlier])
                h = self.theta * h * self.bnp(self.convp(reduce(torch.mul, reversed(earlier)))) + h
            return f + s + (self.alpha * self.layer(self.last, h)).to(f.dtype), (*earlier, h)

    def reset_parameters(self) -> None:
        """Draw them, and start α at 1."""
        super().reset_parameters()
        nn.init.ones_(self.alpha)

    @classmethod
    def tail(cls, stage: int, channels: int) -> list[nn.Module]:
        """Give a max-pool and DropBlock that leave the H alone; the last stage lets go of them."""
        return [OfFirst(*super().tail(stage, channels), only=stage == 3)]


class OfFirst(nn.Sequential):
    """(x, others) → (f(x), others), or f(x) alone."""

    def __init__(self, *modules: nn.Module, only: bool):
        super().__init__(*modules)
        self.only = only

    def forward(self, passed: Passed) -> Tensor | Passed:  # type: ignore[override]
        """Change the first."""
        x, others = passed
        x = super().forward(x)
        return x if self.only else (x, others)
