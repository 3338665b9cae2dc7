"""Blocks in which F and S are multiplied: Chrysos et al., Deep Polynomial Neural Networks (TPAMI 2021)."""

from typing import Any

from torch import Tensor, nn

from .precision import exactly, full
from .residual import Residual, conv1x1


class Pi(Residual):
    """r(F + S + N(F ∗ S)), ∗ elementwise and N a batch norm: but for r a polynomial of degree 2 of z.

    before, after: 1×1 convolutions, each with a batch norm, on S before the product and on the product, there in the
    place of N. (0, 0) is the Π-net of the authors' code, (0, 1) its variant with a 1×1, and (1, 1), that is
    F + S + C₂((C₁ S) ∗ F), the simplest wiring that has the size of their Table 5. product=False has a sum in the place
    of the product: the control. zero_init: the last norm starts at 0, and the block as the residual one.
    """

    def __init__(
        self, *sizes: int, before: int = 0, after: int = 0, product: bool = True, zero_init: bool = True, **options: Any
    ):
        super().__init__(*sizes, **options)
        for _ in range(before + after):
            self.append(conv1x1(self.channels, self.channels), self.channels)
        if not after:
            self.append(None, self.channels)
        self.product, self.zero_init = product, zero_init
        self.between = self.first_order + before
        self.last = self.between + max(after, 1)

    def meet(self, f: Tensor, s: Tensor) -> Tensor:
        """F + S + the second order, which is computed in float32 at least."""
        with exactly(f):
            return f + s + self.second_order(full(f), full(s)).to(f.dtype)

    def second_order(self, f: Tensor, s: Tensor) -> Tensor:
        """N(F ∗ S), with the convolutions before and after."""
        for index in range(self.first_order + 1, self.between + 1):
            s = self.layer(index, s)
        x = f * s if self.product else f + s
        for index in range(self.between + 1, self.last + 1):
            x = self.layer(index, x)
        return x

    def reset_parameters(self) -> None:
        """Start the last norm at 0, where asked for: where F's does instead, N divides by the deviation of zeros."""
        super().reset_parameters()
        if self.zero_init:
            nn.init.zeros_(getattr(self, f"bn{self.last}").weight)
