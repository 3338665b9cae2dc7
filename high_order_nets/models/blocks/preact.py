"""Norm and activation before each convolution: He et al., Identity Mappings in Deep Residual Networks (ECCV 2016)."""

from typing import Any, ClassVar

from torch import Tensor, nn

from .residual import Residual, conv1x1


class PreAct(Residual):
    """F + S: F(z) = conv3×3(r(BN2(conv3×3_stride(x)))), x = r(BN1(z)); S(z) = z, or conv1×1_stride(x).

    A bottleneck's F has three such convolutions. Nothing bends the sum: the stem of the network has neither norm nor
    activation, and one of each follows the last block. Converted, every function sees what a norm has scaled.
    """

    preactivated: ClassVar[bool] = True

    def __init__(self, *sizes: int, **options: Any):
        super().__init__(*sizes, **options)
        self.bends = False

    def append(self, conv: nn.Module | None, channels: int) -> None:
        """Add the next convolution, with a norm of what it gets."""
        assert isinstance(conv, nn.Conv2d)
        super().append(conv, conv.in_channels)

    def projection(self, inputs: int, stride: int) -> nn.Module:
        """Make S for where shapes change: x is normed."""
        return conv1x1(inputs, self.channels, stride)

    def halves(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Give F, gated, and S."""
        x = self.normed(1, z)
        f = self.get_submodule("conv1")(x)
        for index in range(2, self.first_order + 1):
            f = self.get_submodule(f"conv{index}")(self.normed(index, f))
        return self.gated(f), z if self.downsample is None else self.downsample(x)

    def normed(self, index: int, x: Tensor) -> Tensor:
        """r(BN(x)), the norm of this number."""
        return self.bent(index, self.get_submodule(f"bn{index}")(x))

    @classmethod
    def tail(cls, stage: int, channels: int) -> list[nn.Module]:
        """Give the norm and the activation of the last stage's sum."""
        return [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)] if stage == 3 else []
