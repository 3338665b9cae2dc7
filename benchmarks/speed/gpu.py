"""The rows for a GPU: layers by size, precision and compiler, and a whole training step of a ResNet-18."""

import itertools

import torch
from torch import Tensor, nn
from torchvision import models

from high_order_nets import convert
from high_order_nets.models.vision import image_classifier

from .cases import Case, Contraction, case
from .measure import Setting

SIZES = [(64, 32), (128, 16), (256, 8), (512, 4)]
BATCHES = (32, 128, 512)
COMPILED_BATCH = 128
PRECISIONS = ("bf16", "tf32")
TYPES = [
    *(("polynomial", n, 0) for n in range(2, 7)),
    *(("continuous", 3, segments) for segments in (1, 2, 8, 16)),
    *(("discontinuous", 3, segments) for segments in (2, 8)),
    ("fourier", 5, 0),
]


def on_gpu(device: torch.device) -> list[tuple[Case, Setting]]:
    """List layers and settings; compiled for one batch size alone, since compilers need minutes for each."""
    layers = [
        case(Contraction(channels, channels, size, batch), *layer_type)
        for (channels, size), batch, layer_type in itertools.product(SIZES, BATCHES, TYPES)
    ]
    shared = [
        case(Contraction(64, 64, 32, COMPILED_BATCH), "polynomial", n, aims=(aim, None), sharing="channel")
        for n, aim in ((3, 1.3), (6, 1.6))
    ]
    cases = [*layers, *shared, resnet18(128), resnet18(512)]
    return [
        (one, Setting(device, precision, compiled))
        for precision, compiled in itertools.product(PRECISIONS, (False, True))
        for one in cases
        if not compiled or one.shape[0] == COMPILED_BATCH
    ]


class Loss(nn.Module):
    """A network of 100 classes with its loss on labels that stay: what a training step differentiates."""

    def __init__(self, net: nn.Module, batch: int):
        super().__init__()
        self.net = net
        self.register_buffer("labels", torch.arange(batch) % 100)

    def forward(self, x: Tensor) -> Tensor:
        """Images → scalar."""
        assert isinstance(self.labels, Tensor)
        return nn.functional.cross_entropy(self.net(x), self.labels)


def resnet18(batch: int, size: int = 32, width: float = 1.0) -> Case:
    """Make the row of a training step, optimizer included, of a ResNet-18 for CIFAR beside the same with ReLU."""

    def standard() -> nn.Module:
        return image_classifier(models.resnet18, channels=3, classes=100, image_size=size, width=width)

    return Case(
        name=f"resnet18-polynomial-n=3-b{batch}",
        label=f"training step of a ResNet-18, polynomial n=3, {size}×{size}, batch {batch}",
        shape=(batch, 3, size, size),
        plain=lambda: Loss(standard(), batch),
        ours=lambda: Loss(convert(standard(), "polynomial2d", n=3)[0], batch),
        peer=None,
        trains=True,
    )
