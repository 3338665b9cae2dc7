"""The residual block, basic and bottleneck, whose two halves F and S other blocks meet in another way."""

from typing import ClassVar, NamedTuple

from torch import Tensor, nn

from .funnel import make_funnel
from .gates import make_gate


class Place(NamedTuple):
    """Where a block stands in its network: in which stage, 0 to 3, after how many other blocks, and if it ends it."""

    stage: int = 0
    before: int = 0
    last: bool = False


class Block(nn.Module):
    """What a network asks of its blocks beside their forward pass."""

    activated: ClassVar[bool] = True
    """Whether there are activations in a network of such blocks; `activation=none` takes them out of any."""
    preactivated: ClassVar[bool] = False
    """Whether a block norms and bends what it gets, so that the stem of its network does not."""

    def reset_parameters(self) -> None:
        """Change what the network has drawn for its layers."""

    @classmethod
    def tail(cls, stage: int, channels: int) -> list[nn.Module]:
        """Give what follows the blocks of a stage, 0 to 3, whose outputs have so many channels."""
        del stage, channels
        return []


class Residual(Block):
    """r(F + S): (batch, inputs, height, width) → (batch, channels, height/stride, width/stride).

    F(z) = BN2(conv3×3(r(BN1(conv3×3_stride(z))))), and S(z) = z, or BN(conv1×1_stride(z)) where shapes change. A
    bottleneck's F(z) is BN3(conv1×1(r(BN2(conv3×3_stride(r(BN1(conv1×1(z)))))))), with four times as many channels as
    planes. The parts have the names of torchvision's, so that its weights can be loaded.

    - gate, reduction: a factor for each channel of F, by name and size: see `gates`.
    - funnel: what is added to the activation in front of the second convolution, by name: see `funnel`.
    - last=False: the last block of a network ends without an activation.
    """

    def __init__(
        self,
        inputs: int,
        planes: int,
        stride: int = 1,
        *,
        bottleneck: bool = False,
        place: Place | None = None,
        gate: str = "none",
        reduction: int = 16,
        funnel: str = "none",
        last: bool = True,
    ):
        super().__init__()
        self.bends = last or not (place or Place()).last
        self.first_order, self.channels = (3, 4 * planes) if bottleneck else (2, planes)
        if bottleneck:
            self.append(conv1x1(inputs, planes), planes)
            self.append(conv3x3(planes, planes, stride), planes)
            self.append(conv1x1(planes, self.channels), self.channels)
        else:
            self.append(conv3x3(inputs, planes, stride), planes)
            self.append(conv3x3(planes, planes), planes)
        self.relu = nn.ReLU(inplace=funnel == "none") if self.activated else nn.Identity()
        changes = stride != 1 or inputs != self.channels
        self.downsample = self.projection(inputs, stride) if changes else None
        self.gate = make_gate(gate, self.channels, reduction)
        self.funnel = make_funnel(funnel, planes)
        self.drop: nn.Module | None = None  # see `drop_path`

    def projection(self, inputs: int, stride: int) -> nn.Module:
        """Make S for where shapes change."""
        return normed(conv1x1(inputs, self.channels, stride))

    def forward(self, z: Tensor) -> Tensor:
        """Let F and S meet, and bend."""
        return self.end(self.meet(*self.halves(z)))

    def end(self, x: Tensor) -> Tensor:
        """r(x), or x where the last activation of the network is left out."""
        return self.relu(x) if self.bends else x

    def meet(self, f: Tensor, s: Tensor) -> Tensor:
        """F + S; in training F may be left out."""
        return (f if self.drop is None else self.drop(f)) + s

    def halves(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Give F, gated and before the last activation, and S, the same for sum and product."""
        f = self.layer(1, z)
        for index in range(2, self.first_order + 1):
            f = self.layer(index, self.bent(index, f))
        return self.gated(f), z if self.downsample is None else self.downsample(z)

    def bent(self, index: int, u: Tensor) -> Tensor:
        """r(u) in front of the convolution of this number, with the funnel's term in front of the second."""
        return self.relu(u) if index != 2 or self.funnel is None else self.funnel(u, self.relu(u))

    def gated(self, f: Tensor) -> Tensor:
        """Let F pass the gate, where there is one."""
        return f if self.gate is None else self.gate(f)

    def layer(self, index: int, x: Tensor) -> Tensor:
        """BN(conv(x)) of this number; the norm alone where there is no such convolution."""
        conv = getattr(self, f"conv{index}", None)
        return getattr(self, f"bn{index}")(x if conv is None else conv(x))

    def append(self, conv: nn.Module | None, channels: int) -> None:
        """Add the next convolution, if there is one, and its norm: conv3 and bn3 after conv2 and bn2."""
        index = sum(name.startswith("bn") for name, _ in self.named_children()) + 1
        if conv is not None:
            self.add_module(f"conv{index}", conv)
        self.add_module(f"bn{index}", nn.BatchNorm2d(channels))

    def reset_parameters(self) -> None:
        """Start the funnel as the activation."""
        if self.funnel is not None:
            self.funnel.reset_parameters()


def conv3x3(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    """Make a convolution without bias that keeps the size, but for its stride."""
    return nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)


def conv1x1(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    """Make a convolution of single pixels, without bias."""
    return nn.Conv2d(inputs, outputs, 1, stride, bias=False)


def normed(conv: nn.Conv2d) -> nn.Sequential:
    """BN(conv(x))."""
    return nn.Sequential(conv, nn.BatchNorm2d(conv.out_channels))
