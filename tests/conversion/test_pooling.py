"""pool_function: functions between a ResNet's last block and its mean, where an ordinary network has its last ReLU."""

from typing import Any

import pytest
import torch
from torch import nn
from torchvision.models import vgg11

from high_order_nets import convert, refine
from high_order_nets.conversion.align import align
from high_order_nets.conversion.counting import count_parameters
from high_order_nets.conversion.interval import update_interval
from high_order_nets.errors import UserError
from high_order_nets.layers import HighOrderActivation
from high_order_nets.models.resnet import resnet10
from high_order_nets.models.stages import Staged
from high_order_nets.models.vision import image_classifier
from tests.conversion.test_layer_type import LowRank

CHANNELS = 64
"""Of the last stage of `small`."""


def small() -> Any:
    return image_classifier(resnet10, channels=3, classes=4, image_size=16, width=CHANNELS / 512)


def converted(**options: Any) -> tuple[Any, Any]:
    torch.manual_seed(2)
    return convert(small(), "polynomial2d", n=3, **options)


@pytest.mark.parametrize(("sharing", "functions"), [("synapse", CHANNELS), ("channel", CHANNELS), (4, 4)])
def test_it_stands_behind_the_last_block(sharing: str | int, functions: int) -> None:
    options: Any = {"sharing": sharing, "domain": "linear", "parameters": "nodal"}
    (net, report), (plain, _) = converted(pool_function=True, **options), converted(**options)
    assert isinstance(net.layer4[-1], HighOrderActivation)
    assert net.layer4[-1].synapse.basis == net.layer4[0].conv1.synapse.basis
    assert count_parameters(net) - count_parameters(plain) == 3 * functions
    assert f"added HighOrderActivation before the pooling, of {3 * functions} parameters" in str(report)
    assert all(torch.equal(net.state_dict()[key], value) for key, value in plain.state_dict().items())
    x = torch.randn(4, 3, 16, 16)
    torch.testing.assert_close(net(x), plain(x), rtol=1e-4, atol=1e-4)  # it starts as φ(x) = x


def test_it_learns_and_is_refined() -> None:
    net, _ = converted(pool_function=True, sharing="channel", init="mixed")
    x = torch.randn(8, 3, 16, 16)
    net(x).square().sum().backward()
    assert net.layer4[-1].shape.grad.any()
    net.eval()
    finer: Any = refine(net, n=4)
    assert finer.layer4[-1].synapse.basis.n == 4
    torch.testing.assert_close(finer(x), net(x), rtol=1e-3, atol=1e-4)


def test_it_lives_where_its_inputs_are() -> None:
    net, _ = converted(pool_function=True, domain="extrapolate", skip=["layer?.0.*", "stem"])
    x = torch.randn(8, 3, 16, 16)
    moved, report = update_interval(net.eval(), x, per="input")
    assert [each.name for each in report.layers] == ["layer4.1"]
    torch.testing.assert_close(moved(x), net(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("alignment", ["layer", "channel"])
def test_it_is_aligned_as_all_layers_are(alignment: str) -> None:
    net, _ = converted(pool_function=True, align=alignment, domain="linear")
    seen = []
    net.layer4[0].register_forward_hook(lambda _, __, output: seen.append(output.detach()))
    x = torch.randn(16, 3, 16, 16)
    align(net, x)
    net.train()(x)
    values = net.layer4[-1].localised(seen[-1])
    assert values.std(correction=0).item() == pytest.approx(1, rel=0.05)
    torch.testing.assert_close(net.layer4[-1](seen[-1]), values, rtol=1e-4, atol=1e-4)


def test_it_is_part_of_the_last_stage() -> None:
    net, _ = converted(pool_function=True)
    staged = Staged(net, torch.zeros(2, 3, 16, 16))
    x = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(staged.eval()(x), net.eval()(x))
    staged.select(1)
    assert not any(parameter.requires_grad for parameter in net.layer4[-1].parameters())


def test_widths_that_match_count_it() -> None:
    new, report = converted(pool_function=True, rescale_planes="match")
    assert new.layer4[-1].inputs.channels == new.fc.in_features
    assert abs(report.parameters_after / report.parameters_before - 1) < 0.05


def test_an_ordinary_network_stays_as_it_is() -> None:
    net, report = convert(small(), "standard", pool_function=True)
    assert report.added is None
    assert not any(isinstance(module, HighOrderActivation) for module in net.modules())


@pytest.mark.parametrize(
    ("module", "layer_type", "options", "rule"),
    [
        (vgg11(num_classes=4), "polynomial2d", {}, "VGG has no last block before a mean; ResNets have"),
        (nn.Linear(2, 3), "polynomial", {}, "Sequential has no last block before a mean; ResNets have"),
        (small(), LowRank(3), {}, "LowRank has no functions to put before the pooling"),
        (small(), "polynomial2d", {"sharing": 3}, "sharing=3: must divide the layer's 64 input channels"),
    ],
)
def test_what_has_no_place_for_it_is_refused(module: nn.Module, layer_type: Any, options: Any, rule: str) -> None:
    with pytest.raises(UserError, match=rf"^pool_function=true: {rule}$"):
        convert(module, layer_type, pool_function=True, **options)
