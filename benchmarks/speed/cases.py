"""What is measured: each layer beside the plain one that it stands for and the peer's."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

from torch import nn

from high_order_nets.layers import HighOrderConv2d, HighOrderLinear

Factory = Callable[[], nn.Module]
PEER = "high-order-layers-torch"


@dataclass(frozen=True)
class Case:
    """One row: how to build the candidates, and what is aimed at.

    floor: multiply-adds of the contraction, as a multiple of the plain layer's.
    at_most: forward + backward as a multiple of the plain layer's time.
    at_least: the peer's time for forward + backward as a multiple of ours.
    slow_peer: the peer needs seconds a step and gets fewer rounds.
    trains: the modules give a loss, and a step ends with the optimizer's.
    """

    name: str
    label: str
    shape: tuple[int, ...]
    plain: Factory
    ours: Factory
    peer: Factory | None
    floor: float | None = None
    at_most: float | None = None
    at_least: float | None = None
    slow_peer: bool = False
    trains: bool = False

    def builders(self) -> dict[str, Factory]:
        """Give what builds each candidate; not the peer where it is not installed or has no such layer."""
        found = {"plain": self.plain, "ours": self.ours}
        if self.peer is not None and find_spec("high_order_layers_torch") is not None:
            found["peer"] = self.peer
        return found


@dataclass(frozen=True)
class Contraction:
    """A 3×3 convolution of so many channels on size × size images, or for size 0 a fully connected layer."""

    inputs: int
    outputs: int
    size: int
    batch: int

    @property
    def shape(self) -> tuple[int, ...]:
        """The input's shape."""
        return (self.batch, self.inputs, self.size, self.size) if self.size else (self.batch, self.inputs)

    def __str__(self) -> str:
        image = f", {self.size}×{self.size}" if self.size else ""
        return f"{self.inputs}→{self.outputs}{image}, batch {self.batch}"

    def plain(self) -> nn.Module:
        """Build torch's layer."""
        if self.size:
            return nn.Conv2d(self.inputs, self.outputs, 3, padding=1, bias=False)
        return nn.Linear(self.inputs, self.outputs, bias=False)

    def ours(self, layer_type: str, options: dict[str, Any]) -> nn.Module:
        """Build the high-order layer."""
        if self.size:
            return HighOrderConv2d(self.inputs, self.outputs, 3, layer_type, padding=1, **options)
        return HighOrderLinear(self.inputs, self.outputs, layer_type, **options)

    def peer(self, layer_type: str, options: dict[str, Any]) -> nn.Module:
        """Build the peer's layer."""
        from high_order_layers_torch import layers  # noqa: PLC0415 (installed by the bench extra only)

        if self.size:
            sizes = {"in_channels": self.inputs, "out_channels": self.outputs, "kernel_size": 3, "padding": 1}
            with warnings.catch_warnings():  # It calls deprecated functions of torch.
                warnings.simplefilter("ignore")
                return layers.high_order_convolution_layers(f"{layer_type}2d", **sizes, **options)
        return layers.high_order_fc_layers(layer_type, in_features=self.inputs, out_features=self.outputs, **options)


def case(
    where: Contraction,
    layer_type: str,
    n: int,
    segments: int = 0,
    aims: tuple[float | None, float | None] = (None, None),
    **extra: Any,
) -> Case:
    """Make the row of a layer type; `extra` are options that the peer has not."""
    options: dict[str, Any] = {"n": n} | ({"segments": segments} if segments else {})
    words = [layer_type, f"n={n}", *([f"S={segments}"] if segments else []), *(f"{k}={v}" for k, v in extra.items())]
    shared = "sharing" in extra
    return Case(
        name="-".join([*words, "fc" if not where.size else f"{where.inputs}x{where.size}", f"b{where.batch}"]),
        label=f"{' '.join(words)}, {where}",
        shape=where.shape,
        plain=(lambda: nn.Sequential(nn.ReLU(), where.plain())) if shared else where.plain,
        ours=lambda: where.ours(layer_type, options | extra),
        peer=None if extra else lambda: where.peer(layer_type, options),
        floor=1.0 if shared else float(_groups(layer_type, n, segments)),
        at_most=aims[0],
        at_least=aims[1],
        slow_peer=not where.size,
    )


def _groups(layer_type: str, n: int, segments: int) -> int:
    weights = {"continuous": segments * (n - 1) + 1, "discontinuous": segments * n}.get(layer_type, n)
    return weights - 1


IMAGES = Contraction(64, 64, 32, 8)
FEW, MANY = replace(IMAGES, batch=4), replace(IMAGES, batch=32)
DEEP = Contraction(512, 512, 4, 64)
PIXELS = Contraction(784, 128, 0, 128)

ON_CPU = [
    case(IMAGES, "polynomial", 3, aims=(2.15, 3.0)),
    case(MANY, "polynomial", 3, aims=(2.15, 4.0)),
    case(IMAGES, "polynomial", 3, parameters="spectral", domain="tanh"),
    case(IMAGES, "polynomial", 6),
    case(DEEP, "polynomial", 3),
    case(FEW, "continuous", 3, 2, aims=(4.3, 2.5)),
    case(FEW, "continuous", 3, 8, aims=(17.5, 1.4)),
    case(FEW, "continuous", 3, 16),
    case(IMAGES, "discontinuous", 3, 2, aims=(5.3, 2.0)),
    case(FEW, "discontinuous", 3, 8),
    case(IMAGES, "fourier", 5, aims=(4.2, 1.35)),
    case(IMAGES, "polynomial", 3, aims=(1.3, None), sharing="channel"),
    case(IMAGES, "polynomial", 6, aims=(1.6, None), sharing="channel"),
    case(IMAGES, "continuous", 3, 2, aims=(1.3, None), sharing="channel"),
    case(IMAGES, "fourier", 3, aims=(1.3, None), sharing="channel"),
    case(PIXELS, "continuous", 3, 4, aims=(None, 60.0)),
    case(PIXELS, "continuous", 3, 32, aims=(None, 20.0)),
    case(PIXELS, "continuous", 3, 256, aims=(None, 12.0)),
]
"""The rows of the aims, with the shapes and batches that those were measured with."""
