"""Blocks of a higher degree: the recursions of Chrysos et al., Deep Polynomial Neural Networks (TPAMI 2021)."""

from typing import Any

import torch
from torch import Tensor, nn

from .precision import exactly, full
from .residual import Block, Place, Residual, conv1x1, conv3x3, normed

RECURSIONS = ("ccp", "ncp", "ncp_skip")


class NCP(Residual):
    """r(F + S + …) of degree N, with x_1 = S, A_2 z = F and A_n z = BN(conv3×3_stride(z)) from n = 3 on.

    - recursion=ccp: x_n = N_n((A_n z) ∗ x_{n-1}) + x_{n-1}, and F + x_N. Of degree 2 it is `Pi`.
    - recursion=ncp: x_n = (A_n z) ∗ N_n(S_n x_{n-1}), the norm's bias in the place of B_n b_n, and F + S + N(C x_N). Of
      degree 2 it is the wiring of Table 5.
    - recursion=ncp_skip: the same with V_n x_{n-1} added to x_n.

    S_n, V_n and C are 1×1 convolutions, N batch norms. zero_init: the last norm, with ccp each of them, starts at 0.
    """

    def __init__(
        self,
        inputs: int,
        planes: int,
        stride: int = 1,
        *,
        degree: int = 3,
        recursion: str = "ncp",
        zero_init: bool = True,
        **options: Any,
    ):
        super().__init__(inputs, planes, stride, **options)
        channels, steps = self.channels, degree - 1
        conv = conv1x1 if self.first_order == 3 else conv3x3
        self.factors = nn.ModuleList(normed(conv(inputs, channels, stride)) for _ in range(steps - 1))
        self.skips, self.maps = nn.ModuleList(), nn.ModuleList()
        if recursion == "ccp":
            self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(steps))
        else:
            self.maps.extend(normed(conv1x1(channels, channels)) for _ in range(steps))
            self.skips.extend(conv1x1(channels, channels) for _ in range(steps if recursion == "ncp_skip" else 0))
            self.output = conv1x1(channels, channels)
            self.norms = nn.ModuleList([nn.BatchNorm2d(channels)])
        self.recursion, self.zero_init = recursion, zero_init

    def forward(self, z: Tensor) -> Tensor:
        """Multiply up to degree N, in float32 at least, and bend."""
        f, s = self.halves(z)
        factors = [f, *(factor(z) for factor in self.factors)]
        with exactly(f):
            higher = self.ccp if self.recursion == "ccp" else self.ncp
            return self.end(f + s + higher([full(factor) for factor in factors], full(s)).to(f.dtype))

    def ccp(self, factors: list[Tensor], s: Tensor) -> Tensor:
        """x_N - x_1."""
        added = torch.zeros_like(s)
        for factor, norm in zip(factors, self.norms, strict=True):
            added = added + norm(factor * (s + added))
        return added

    def ncp(self, factors: list[Tensor], s: Tensor) -> Tensor:
        """N(C x_N)."""
        x = s
        for index, (factor, mapped) in enumerate(zip(factors, self.maps, strict=True)):
            product = factor * mapped(x)
            x = product + self.skips[index](x) if self.skips else product
        return self.norms[0](self.output(x))

    def reset_parameters(self) -> None:
        """Start the last norm at 0, where asked for."""
        super().reset_parameters()
        for norm in self.norms if self.zero_init else ():
            nn.init.zeros_(norm.weight)  # type: ignore[arg-type]


class Tutorial(Block):
    """O + α (F ∗ O): O = IN(conv1×1_stride(z)), F = BN(conv5×5_stride(z)), α from 0, no activation.

    The NCP of the authors' tutorial (2022). Its instance norm has no parameters; the shortcut is always a convolution.
    """

    activated = False

    def __init__(
        self, inputs: int, planes: int, stride: int = 1, *, bottleneck: bool = False, place: Place | None = None
    ):
        super().__init__()
        del place
        channels = 4 * planes if bottleneck else planes
        self.conv1 = nn.Conv2d(inputs, channels, 5, stride, padding=2, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.downsample = nn.Sequential(conv1x1(inputs, channels, stride), nn.InstanceNorm2d(channels))
        self.alpha = nn.Parameter(torch.zeros(1))

    def forward(self, z: Tensor) -> Tensor:
        """O + α (F ∗ O), the product in float32 at least."""
        f, o = self.bn1(self.conv1(z)), self.downsample(z)
        with exactly(f):
            return o + (self.alpha * full(f) * full(o)).to(o.dtype)
