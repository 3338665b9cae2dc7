"""Everything that runs on a GPU, on a fake one: a tensor that is made on the wrong device is found without any."""

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from high_order_nets.basis import Basis
from high_order_nets.data.images.augment import Augment
from high_order_nets.data.images.normalise import Normalisation
from high_order_nets.inference.classifier import Classifier
from high_order_nets.kernels.dense import _Sums
from high_order_nets.layers import (
    DOMAINS,
    HighOrderConv2d,
    HighOrderConvTranspose2d,
    HighOrderLayer,
    HighOrderLinear,
    HighOrderProduct,
)
from high_order_nets.layers.norm import L2, MaxAbs, MaxCenter
from high_order_nets.tasks import Classification
from high_order_nets.tasks.classification import LOSSES

CUDA = torch.device("cuda", 0)
SHARED: tuple[dict[str, Any], ...] = ({}, {"sharing": "channel"}, {"sharing": 2, "base": "silu"})
STORED = ("nodal", "spectral")


def on_fake_cuda(module: nn.Module, *inputs: Tensor) -> None:
    """Go forward on the CPU, which fills all caches with real tensors, then with everything on CUDA.

    Backward without autograd, whose engine asks for a real device.
    """
    module(*inputs)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        for owner in module.modules():
            for name, parameter in owner._parameters.items():
                if parameter is not None:
                    owner._parameters[name] = nn.Parameter(mode.from_tensor(parameter.detach()).to(CUDA))
        moved = [mode.from_tensor(each).to(CUDA) for each in inputs]
        y = module(*moved)
        assert y.device == CUDA
        if isinstance(module, HighOrderLayer) and module.neuron == "sum" and module.synapse.base is None:
            p = module.own_parameters()
            sums = _Sums(module, module.kernel(p), module.mixture(p), torch.float32)
            grad = sums.go_through(moved[0], torch.empty_like(y), True)
            assert grad is not None
            assert grad.device == CUDA


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("name", Basis.registry)
def test_layers(name: str, domain: str) -> None:
    for (n, segments), shared, stored in product(((3, 1), (2, 16)), SHARED, STORED):
        options = {"n": n, "segments": segments, "domain": domain, "parameters": stored} | shared
        for layer in (HighOrderConv2d, HighOrderConvTranspose2d):
            on_fake_cuda(layer(4, 6, 3, name, padding=1, periodicity=3.0, **options), torch.randn(2, 4, 5, 5))
        on_fake_cuda(HighOrderLinear(4, 6, name, **options), torch.randn(7, 4))
        on_fake_cuda(HighOrderProduct(4, 6, f"{name}_prod", **options), torch.randn(7, 4))


def test_noise_dropout_and_norms() -> None:
    for module in (HighOrderConv2d(4, 6, 3, "polynomial", dropout=0.5, noise=0.1), L2(), MaxAbs(), MaxCenter()):
        on_fake_cuda(module, torch.randn(2, 4, 5, 5))


class Preprocessing(nn.Module):
    """Augmentation and normalisation of a batch of pixels."""

    def forward(self, images: Tensor) -> Tensor:
        augmented = Augment(crop=1, flip=True, rotation=10.0, cutout=3)(images, generator_like(images))
        return Normalisation((0.5, 0.5, 0.5), (2.0, 2.0, 2.0), 12)(augmented, torch.float32)


def generator_like(images: Tensor) -> torch.Generator:
    """A generator on the device of the images; on the fake one there is none to be had but the CPU's."""
    del images
    return torch.Generator()


def test_augmentation_and_normalisation(monkeypatch: pytest.MonkeyPatch) -> None:
    rand = torch.rand

    def without_generator(*size: Any, generator: Any = None, **options: Any) -> Tensor:
        return rand(*size, **options)  # a fake device has no generator

    monkeypatch.setattr(torch, "rand", without_generator)
    on_fake_cuda(Preprocessing(), torch.randint(0, 256, (6, 3, 8, 8), dtype=torch.uint8))


class Steps(nn.Module):
    """Every step of a task, as one number."""

    def __init__(self, task: Classification):
        super().__init__()
        self.task = task

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        self.task.validation_step((images, labels))
        self.task.test_step((images, labels))
        return self.task.training_step((images, labels))


@pytest.mark.parametrize("loss", LOSSES)
def test_the_outcome_of_a_task(loss: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "isfinite", lambda _: True)  # a fake loss has no value
    net = nn.Sequential(nn.Flatten(), HighOrderLinear(12, 7, "polynomial"))
    task = Classification(net, 7, lambda *_: None, loss=loss, label_smoothing=0.1)
    for name in ("log", "log_dict"):
        monkeypatch.setattr(task, name, lambda *_, **__: None)
    monkeypatch.setattr(nn.ModuleDict, "__getitem__", lambda *_: Figures())
    on_fake_cuda(Steps(task), torch.rand(5, 3, 2, 2), torch.arange(5))


class Figures:
    """Stands for torchmetrics, whose values a fake tensor does not have: what it is given lies on one device."""

    def update(self, **given: Any) -> None:
        assert len({each.device for each in given.values() if isinstance(each, Tensor)}) == 1


def test_a_loaded_classifier() -> None:
    net = nn.Sequential(nn.Flatten(), HighOrderLinear(12, 7, "polynomial"))
    metadata = {"config": {"loss": "cross_entropy"}}
    module = Classifier(net, Normalisation((0.0,) * 3, (1.0,) * 3, 2), tuple("abcdefg"), metadata)
    on_fake_cuda(module, torch.randint(0, 256, (4, 3, 9, 9), dtype=torch.uint8))
