"""The block of Chrysos et al., Augmenting Deep Classifiers with Polynomial Neural Networks (ECCV 2022)."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .precision import exactly, full
from .residual import Place, Residual, conv3x3, normed

SECOND_NORMS: dict[str, Callable[[int], nn.Module]] = {"batch": nn.BatchNorm2d, "instance": nn.InstanceNorm2d}
"""Norms of the second order; the instance norm has no parameters."""


class PDC(Residual):
    """r(F + S + α l(N(L(l(BN(U₁ x)) ∗ l(BN(U₂ x)))))), x = BN(S), l a leaky ReLU, α from 0.

    U₁ and U₂ are 3×3 convolutions to ranks[stage] channels (null: as many as S has), L is one back, and N is `norm`.
    short: F is its first layer alone, r(BN(conv3×3_stride(z))).
    """

    def __init__(
        self,
        *sizes: int,
        ranks: Sequence[int] | None = None,
        norm: str = "instance",
        short: bool = False,
        place: Place | None = None,
        **options: Any,
    ):
        super().__init__(*sizes, place=place, **options)
        rank = ranks[(place or Place()).stage] if ranks else self.channels
        self.short = short
        if short:
            if self.first_order == 3:
                raise ValueError("block.short=true: the first layer of a bottleneck has too few channels; leave it out")
            del self.conv2, self.bn2
            self.first_order = 1
        self.bnx = nn.BatchNorm2d(self.channels)
        self.up1, self.up2 = (normed(conv3x3(self.channels, rank)) for _ in range(2))
        self.down = conv3x3(rank, self.channels)
        self.bnl = SECOND_NORMS[norm](self.channels)
        self.leaky = nn.LeakyReLU()
        self.alpha = nn.Parameter(torch.zeros(1))

    def halves(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Give F and S."""
        f, s = super().halves(z)
        return self.relu(f) if self.short else f, s

    def meet(self, f: Tensor, s: Tensor) -> Tensor:
        """F + S + the second order; from the product on it is computed in float32 at least."""
        x = self.bnx(s)
        u1, u2 = self.leaky(self.up1(x)), self.leaky(self.up2(x))
        with exactly(f):
            second = self.leaky(self.bnl(self.down(full(u1) * full(u2))))
            return f + s + (self.alpha * second).to(f.dtype)
