"""Networks made wider and narrower, width by width."""

import math
from typing import Any

import pytest
import torch
from torch import nn

from high_order_nets.conversion.widths import conv_like, scale_width, width_matching
from high_order_nets.errors import UserError
from high_order_nets.models.simple import Simple


def test_widths_are_divided_and_all_else_stays() -> None:
    net: Any = nn.Sequential()
    net.scalable_width = True
    options: dict[str, Any] = {"stride": 2, "padding": 1, "dilation": 2, "groups": 2, "padding_mode": "circular"}
    net.add_module("a", nn.Conv2d(3, 20, 3, bias=False))
    net.add_module("n", nn.BatchNorm2d(20, eps=1e-3, momentum=0.3))
    net.add_module("b", nn.Conv2d(20, 40, (3, 1), **options))
    net.add_module("c", nn.Linear(40, 30, bias=False))
    net.add_module("d", nn.Linear(30, 7))
    scale_width(net.double().eval(), 3, "x")
    assert [(net.a.in_channels, net.a.out_channels), (net.b.in_channels, net.b.out_channels)] == [(3, 6), (6, 12)]
    assert (net.n.num_features, net.n.eps, net.n.momentum) == (6, 1e-3, 0.3)
    assert [(each.in_features, each.out_features) for each in (net.c, net.d)] == [(12, 10), (10, 7)]
    assert [net.a.bias is None, net.b.bias is None, net.c.bias is None, net.d.bias is None] == [
        True,
        False,
        True,
        False,
    ]
    assert (net.b.kernel_size, net.b.stride, net.b.padding) == ((3, 1), (2, 2), (1, 1))
    assert (net.b.dilation, net.b.groups, net.b.padding_mode) == ((2, 2), 2, "circular")
    assert {p.dtype for p in net.parameters()} == {torch.float64}
    assert not any(module.training for module in net.modules() if module is not net)
    scale_width(net, 100, "x")  # at least as many as there are groups
    assert (net.a.out_channels, net.b.out_channels, net.c.out_features, net.d.out_features) == (2, 2, 2, 7)


@pytest.mark.parametrize(("divisor", "width"), [(1 / 1.5, 96), (2, 32), (1.01, 63), (3, 21)])
def test_widths_are_rounded_down(divisor: float, width: int) -> None:
    net = Simple(10)
    scale_width(net, divisor, "x")
    assert net.fc.in_features == width


def test_widths_of_norms_that_cannot_follow() -> None:
    net = Simple(10)
    net.features.add_module("extra", nn.GroupNorm(1, 64))
    message = "x=2: cannot resize GroupNorm; convert with norm= after the width is right"
    with pytest.raises(UserError, match=f"^{message}$"):
        scale_width(net, 2, "x=2")


def test_convolutions_begin_as_those_of_a_resnet() -> None:
    new = conv_like(nn.Conv2d(8, 8, 3, groups=2), 64, 256)
    assert float(new.weight.detach().std()) == pytest.approx(math.sqrt(2 / (256 / 1 * 9)), rel=0.02)  # 2 / fan_out
    assert (new.in_channels, new.out_channels, new.groups) == (64, 256, 2)


@pytest.mark.parametrize("target", [250, 1000, 77777])
def test_the_width_that_matches(target: int) -> None:
    divisor = width_matching(lambda d: round(10_000 / d), target)
    assert abs(round(10_000 / divisor) - target) <= 1 + target // 5000


def test_a_network_that_matches_keeps_its_width() -> None:
    assert width_matching(lambda d: round(100 / d), 100) == pytest.approx(1, rel=1e-12)
