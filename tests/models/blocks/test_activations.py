"""Where a block has its activations: funnels, pre-activation and the last one."""

from typing import Any

import pytest
import torch
from torch import nn

from high_order_nets.conversion import convert
from high_order_nets.errors import UserError
from high_order_nets.layers import HighOrderActivation, HighOrderConv2d
from high_order_nets.models.blocks.funnel import Depthwise, Funnel
from high_order_nets.models.degree import degrees, is_polynomial
from high_order_nets.models.resnet import pinet
from high_order_nets.models.stages import Staged
from high_order_nets.models.vision import image_classifier
from high_order_nets.optim.groups import parameter_groups
from tests.models.blocks.kinds import kind, made, same_beside, seeded, step

X = (4, 3, 16, 16)


def funnels(net: nn.Module) -> list[Funnel]:
    return [module for module in net.modules() if isinstance(module, Funnel)]


@pytest.mark.parametrize("layer_type", [None, "polynomial2d"])
@pytest.mark.parametrize(("name", "funnel"), [("residual", "product"), ("residual", "sum"), ("preact", "product")])
def test_a_funnel_starts_as_the_activation_and_learns(name: str, funnel: str, layer_type: str | None) -> None:
    plain, net = seeded(kind(name), layer_type), seeded(kind(name, funnel=funnel), layer_type)
    assert same_beside("funnel", net, plain)
    starts = [each.depthwise.weight.clone() for each in funnels(net)]
    assert torch.equal(step(net), step(plain))
    assert same_beside("funnel", net, plain)
    assert all(each.norm.weight.any() for each in funnels(net))
    step(net)
    assert all(not torch.equal(each.depthwise.weight, start) for each, start in zip(funnels(net), starts, strict=True))


def test_funnels_in_bottlenecks_and_beside_products_and_gates() -> None:
    options: Any = {"funnel": "product", "gate": "quadratic"}
    for name, bottleneck in (("residual", True), ("pi", False), ("pi", True)):
        plain = seeded(kind(name), bottleneck=bottleneck)
        net = seeded(kind(name, **options), bottleneck=bottleneck)
        assert torch.equal(step(net), step(plain))
        assert {each.depthwise.num_features for each in funnels(net)} == {16, 32, 64, 128}


def test_funnels_stay_and_decay_as_what_they_are() -> None:
    net = seeded(kind("funnel"), "polynomial2d")
    assert {type(each.depthwise) for each in funnels(net)} == {Depthwise}
    assert isinstance(net.layer1[0].relu, nn.Identity)
    u = torch.randn(2, 10, 5, 5)
    seen = []
    net.layer1[0].conv2.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    nn.init.ones_(net.layer1[0].funnel.norm.weight)
    net.eval().layer1(u)
    block = net.layer1[0]
    u = block.bn1(block.conv1(u))
    assert torch.equal(seen[0], u + u * block.funnel.norm(block.funnel.depthwise(u)))  # conv2 bends it
    decayed, others = (group["params"] for group in parameter_groups(net, 0.1))
    assert any(parameter is block.funnel.depthwise.weight for parameter in decayed)
    assert any(parameter is block.funnel.norm.weight for parameter in others)


def test_a_funnel_is_exact_under_autocast() -> None:
    block = made(kind("funnel"), 8, 8, 1).float()
    seen = []
    block.funnel.norm.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0].dtype, output.dtype)))
    with torch.autocast("cpu", torch.bfloat16):
        assert block(torch.randn(2, 8, 6, 6, dtype=torch.bfloat16)).dtype == torch.bfloat16
    assert seen == [(torch.float32, torch.float32)]


def test_a_funnel_is_a_product_and_preactivation_is_none() -> None:
    def without_activations(name: str, **options: Any) -> nn.Module:
        return convert(seeded(kind(name, **options)), None, activation="none")[0]

    assert is_polynomial(without_activations("funnel"))
    assert not is_polynomial(without_activations("preact"))
    net, ends = made(kind("funnel", last=True), 3, 3, 1), torch.randn(2, 1, 3, 4, 4, dtype=torch.float64)
    net.relu = nn.Identity()
    assert degrees(net, *ends) == [2]


def test_preactivated_networks_norm_and_bend_before_each_convolution() -> None:
    net = seeded(kind("preact"))
    assert [type(module) for module in (net.bn1, net.relu)] == [nn.Identity] * 2
    assert [type(module).__name__ for module in net.layer4] == ["PreAct", "BatchNorm2d", "ReLU"]
    assert [type(module).__name__ for module in net.layer3] == ["PreAct"]
    x = torch.randn(X)
    torch.testing.assert_close(Staged(net, x).eval()(x), net.eval()(x))


def test_preactivated_bottlenecks() -> None:
    net = made(kind("preact"), 4, 3, 2, bottleneck=True).eval()
    z = torch.randn(2, 4, 6, 6, dtype=torch.float64)
    x = net.bn1(z).relu()
    f = net.conv3(net.bn3(net.conv2(net.bn2(net.conv1(x)).relu())).relu())
    torch.testing.assert_close(net(z), f + net.downsample(x))


def test_converted_functions_of_a_preactivated_network_see_norms() -> None:
    net, report = convert(seeded(kind("preact")), "polynomial2d", skip=["stem"], pool_function=True)
    assert {swap.name for swap in report.swapped if "ReLU" in swap.old} == {
        *(f"layer{stage}.0.relu" for stage in (1, 2, 3, 4)),
        "layer4.2",
    }
    assert isinstance(net.layer4[-1], HighOrderActivation)
    normed, seen = [], []
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(lambda _, __, output: normed.append(output))
        elif isinstance(module, HighOrderConv2d | HighOrderActivation):
            module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    net(torch.randn(X))
    assert len(seen) == 8 + 3 + 1
    assert all(any(x is output for output in normed) for x in seen)


@pytest.mark.parametrize("name", ["residual", "pi"])
def test_the_last_activation_alone_is_left_out(name: str) -> None:
    torch.manual_seed(3)
    options = {"block": kind(name, last=False), "layers": [1, 1, 1, 2]}
    net: Any = image_classifier(pinet, channels=3, classes=4, image_size=16, width=0.25, options=options)
    least = []
    for stage in (net.layer1, net.layer2, net.layer3, net.layer4):
        for block in stage:
            block.register_forward_hook(lambda _, __, output: least.append(float(output.detach().min())))
    net(torch.randn(X))
    assert [value < 0 for value in least] == [False, False, False, False, True]


def test_unknown_funnels_are_refused() -> None:
    with pytest.raises(UserError, match=r"^block\.funnel=max: unknown funnel; expected one of none, product, sum$"):
        made(kind("residual", funnel="max"), 4, 4, 1)
