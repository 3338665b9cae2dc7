"""Networks fitted to a data set."""

from typing import Any

import pytest
import torch
import torchvision
from torch import nn

from high_order_nets.errors import UserError
from high_order_nets.models.resnet import resnet10, resnet10_small
from high_order_nets.models.simple import Simple
from high_order_nets.models.stages import Staged, complete, split
from high_order_nets.models.vision import image_classifier
from high_order_nets.names import TORCHVISION


def test_the_static_list_is_torchvisions() -> None:
    assert list(TORCHVISION) == sorted(torchvision.models.list_models(module=torchvision.models))


@pytest.mark.parametrize(
    ("stem", "kernel", "stride", "pools"),
    [("auto", 3, 1, False), ("cifar", 3, 1, False), ("cifar2", 3, 2, False), ("imagenet", 7, 2, True)],
)
def test_stems_of_small_images(stem: str, kernel: int, stride: int, pools: bool) -> None:
    net = image_classifier(resnet10, channels=3, classes=7, image_size=32, stem=stem, width=0.25)
    assert net.conv1.kernel_size == (kernel, kernel)
    assert net.conv1.stride == (stride, stride)
    assert isinstance(net.maxpool, nn.MaxPool2d) == pools
    assert net(torch.zeros(2, 3, 32, 32)).shape == (2, 7)


def test_large_images_keep_the_imagenet_stem() -> None:
    net = image_classifier(resnet10, channels=3, classes=7, image_size=65, width=0.25)
    assert net.conv1.kernel_size == (7, 7)


@pytest.mark.parametrize("build", [resnet10, Simple, torchvision.models.squeezenet1_1, torchvision.models.densenet121])
def test_grey_images(build) -> None:
    net = image_classifier(build, channels=1, classes=4, image_size=33)
    assert net.eval()(torch.zeros(2, 1, 33, 33)).shape == (2, 4)


def test_width_multiplies_all_channels() -> None:
    net = image_classifier(resnet10, channels=3, classes=100, image_size=32, stem="cifar2", width=0.35)
    assert net.conv1.out_channels == 22
    assert net.layer4[0].conv2.out_channels == 179
    small = resnet10_small(num_classes=10)
    assert small.fc.in_features == 128


def test_widths_stay_divisible_by_their_groups() -> None:
    net = image_classifier(torchvision.models.resnext50_32x4d, channels=3, classes=5, image_size=32, width=0.4)
    assert all(m.out_channels % m.groups == 0 for m in net.modules() if isinstance(m, nn.Conv2d))


def test_small_images_for_a_deep_network_are_refused_in_one_line() -> None:
    with pytest.raises(
        UserError, match=r"model_name=alexnet: cannot take 8×8 images: .*too small; .*dataset\.image_size"
    ):
        image_classifier(torchvision.models.alexnet, channels=3, classes=3, image_size=8)


def test_what_a_network_says_itself_is_told() -> None:
    class Own(nn.Module):
        def __init__(self, channels: int):
            super().__init__()
            self.channels = channels

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise ValueError(f"boom of {len(x)}")

    with pytest.raises(UserError, match="boom of 1"):
        image_classifier(Own, channels=3, classes=3, image_size=8)
    with pytest.raises(UserError, match=r"no network: .*'num_classes'$"):
        image_classifier(Own, channels=3, classes=3, image_size=8, options={"num_classes": 3})
    with pytest.raises(UserError, match="gave int; expected a network"):
        image_classifier(lambda channels: len(str(channels)), channels=3, classes=3, image_size=8, called="five")  # type: ignore[arg-type]


def test_wrong_patch_size_is_refused() -> None:
    with pytest.raises(UserError, match="model_name=vit_b_16"):
        image_classifier(torchvision.models.vit_b_16, channels=3, classes=3, image_size=33)


@pytest.mark.parametrize("stem", ["cifar", "cifar2"])
def test_stem_of_another_family_is_refused(stem: str) -> None:
    with pytest.raises(UserError, match=f"stem={stem}"):
        image_classifier(torchvision.models.squeezenet1_1, channels=3, classes=3, image_size=32, stem=stem)


def test_width_of_another_family_is_refused() -> None:
    with pytest.raises(UserError, match="no common width"):
        image_classifier(torchvision.models.squeezenet1_1, channels=3, classes=3, image_size=32, width=0.5)


@pytest.mark.parametrize("build", [resnet10_small, Simple])
def test_stages_are_the_network(build) -> None:
    net: Any = image_classifier(build, channels=3, classes=5, image_size=16)
    net.eval()
    x = torch.randn(2, 3, 16, 16)
    staged = Staged(net, x).eval()
    torch.testing.assert_close(staged(x), net(x))
    assert staged.count == len(split(net)[0])


def test_only_the_current_stage_learns() -> None:
    net: Any = image_classifier(resnet10_small, channels=3, classes=5, image_size=16)
    staged = Staged(net, torch.zeros(2, 3, 16, 16))
    staged.select(1)
    statistics = net.bn1.running_mean.clone()
    staged(torch.randn(4, 3, 16, 16)).sum().backward()
    learning = {name for name, p in staged.named_parameters() if p.grad is not None}
    assert all(name.startswith(("net.layer1.", "read_outs.1.")) for name in learning)
    assert {"read_outs.1.weight", "net.layer1.0.conv1.weight"} <= learning
    assert net.bn1.running_mean.equal(statistics)
    staged.select(9)
    assert staged.current == staged.count - 1


def test_a_network_in_stages_is_complete_in_its_last() -> None:
    net: Any = image_classifier(Simple, channels=3, classes=5, image_size=16)
    staged = Staged(net, torch.zeros(2, 3, 16, 16))
    assert complete(staged) is net
    staged.select(0)
    assert complete(staged) is staged
    assert complete(net) is net


def test_networks_without_stages_are_refused() -> None:
    with pytest.raises(UserError, match="layer_by_layer"):
        split(nn.Sequential())


@pytest.mark.parametrize(("size", "kernel"), [(32, 3), (64, 3), (65, 7), (224, 7)])
def test_the_stem_is_that_of_the_image_size(size: int, kernel: int) -> None:
    with torch.device("meta"):
        net = image_classifier(torchvision.models.resnet18, channels=3, classes=10, image_size=size)
    assert net.conv1.kernel_size == (kernel, kernel)
    assert isinstance(net.maxpool, nn.Identity) == (kernel == 3)
