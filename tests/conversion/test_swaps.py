"""What one module is swapped for, number by number, and what the reports say of it."""

import re
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models.convnext import LayerNorm2d
from torchvision.ops import SqueezeExcitation

from high_order_nets.conversion.convert import convert
from high_order_nets.conversion.counting import count_parameters, count_reduced_parameters
from high_order_nets.conversion.report import Kept, Report, Swap
from high_order_nets.conversion.swaps import ACTIVATIONS, check_names, kept_reason, make_activation, make_norm
from high_order_nets.errors import UserError
from high_order_nets.layers import L2, HighOrder, HighOrderConv2d, HighOrderLinear, MaxAbs, MaxCenter, make_synapse
from high_order_nets.layers.layer_type import LAYERS

NORMS = "keep, none, batch, layer, group, instance, max_abs, max_center, l2"
OLD = {
    "batch1": (nn.BatchNorm1d(12), 1),
    "batch2": (nn.BatchNorm2d(12), 2),
    "batch3": (nn.BatchNorm3d(12), 3),
    "instance1": (nn.InstanceNorm1d(12, affine=True), 1),
    "instance2": (nn.InstanceNorm2d(12), 2),
    "instance3": (nn.InstanceNorm3d(12), 3),
    "group": (nn.GroupNorm(3, 12), 2),
    "layer2d": (LayerNorm2d(12), 2),
}


@pytest.mark.parametrize(("old", "dimensions"), OLD.values(), ids=OLD)
def test_norms_of_channels(old: nn.Module, dimensions: int) -> None:
    suffix = f"{dimensions}d"
    for name, kind in (("batch", "BatchNorm"), ("instance", "InstanceNorm")):
        new = make_norm(name, old)
        assert type(new) is getattr(nn, kind + suffix)
        assert (new.num_features, new.affine) == (12, True)
    group = make_norm("group", old)
    assert isinstance(group, nn.GroupNorm)
    assert (group.num_groups, group.num_channels) == (4, 12)  # the largest divisor that 8 has too
    layer = make_norm("layer", old)
    if isinstance(old, nn.LayerNorm):
        assert layer == "a layer norm already"
    else:
        assert isinstance(layer, nn.GroupNorm)
        assert (layer.num_groups, layer.num_channels) == (1, 12)
    for name, kind in (("max_abs", MaxAbs), ("max_center", MaxCenter), ("l2", L2)):
        new = make_norm(name, old)
        assert type(new) is kind
        assert new.features_last is False
    assert type(make_norm("none", old)) is nn.Identity


def test_norms_of_the_last_axis() -> None:
    old = nn.LayerNorm([4, 12])
    assert make_norm("batch", old) == "norm=batch needs channels first"
    assert make_norm("layer", old) == "a layer norm already"
    new = make_norm("max_abs", old)
    assert isinstance(new, MaxAbs)
    assert new.features_last is True
    assert make_norm("batch", nn.ReLU()) is None


def test_a_norm_goes_where_the_old_one_was() -> None:
    new = make_norm("batch", nn.BatchNorm2d(4).double())
    assert isinstance(new, nn.BatchNorm2d)
    assert new.weight.dtype == torch.float64
    new = make_norm("group", nn.BatchNorm2d(4, device="meta", affine=False))
    assert isinstance(new, nn.GroupNorm)
    assert new.weight.is_meta
    new = make_norm("batch", nn.InstanceNorm2d(4))  # without any tensor
    assert isinstance(new, nn.BatchNorm2d)
    assert (new.weight.device.type, new.weight.dtype) == ("cpu", torch.float32)


def test_names_of_norms_and_activations() -> None:
    for norm in NORMS.split(", "):
        check_names(norm, "auto")
    for activation in ("auto", "none", "keep", *ACTIVATIONS):
        check_names("keep", activation)
    with pytest.raises(UserError, match=f"^norm='x': expected one of {NORMS}$"):
        check_names("x", "auto")
    names = "auto, none, keep or one of relu, relu6, leaky_relu, elu, selu, celu, gelu, silu, mish, "
    with pytest.raises(UserError, match=f"^activation='x': expected {names}"):
        check_names("keep", "x")
    assert type(make_activation("none")) is nn.Identity
    assert type(make_activation("silu")) is nn.SiLU


class Block(nn.Module):
    """A convolution, a norm of each kind, an activation and a gate."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.act = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU()
        self.gate = SqueezeExcitation(4, 2)
        self.last, self.fc = nn.LayerNorm(4), nn.Linear(4, 2)


QUADRATIC = "Polynomial(n=3, length=4.0), domain=tanh, parameters=spectral"


def test_what_was_swapped_and_kept_is_named() -> None:
    _, report = convert(Block(), "polynomial2d", n=3, norm="group", activation="silu")
    assert report.swapped == (
        Swap("conv", "Conv2d", "HighOrderConv2d", functions=QUADRATIC),
        Swap("norm", "BatchNorm2d", "GroupNorm"),
        Swap("act", "ReLU", "SiLU"),
    )
    gate = "part of a gate (squeeze-and-excitation)"
    assert set(report.kept) == {
        Kept("gate.fc1", "Conv2d", gate),
        Kept("gate.fc2", "Conv2d", gate),
        Kept("fc", "Linear", "linear head"),
        Kept("last", "LayerNorm", "norm=group needs channels first"),
        Kept("gate.activation", "ReLU", "not between converted layers"),
    }
    _, report = convert(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), "polynomial2d", norm="batch")
    assert Kept("", "Sequential", "norm=batch: it has no norms to swap") in report.kept
    assert not any("no norms" in kept.reason for kept in convert(Block(), "standard", norm="batch")[1].kept)


def test_layers_deep_in_a_gate_stay() -> None:
    gate: Any = SqueezeExcitation(4, 2)
    gate.fc1 = nn.Sequential(gate.fc1)
    net = nn.Sequential(nn.Sequential(nn.Conv2d(4, 4, 1), gate))
    assert kept_reason(net, "0.0", net.get_submodule("0.0"), LAYERS) is None
    for name in ("0.1.fc1.0", "0.1.fc2"):
        said = kept_reason(net, name, net.get_submodule(name), LAYERS)
        assert said == "part of a gate (squeeze-and-excitation)"


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
def test_what_is_compiled_stays() -> None:
    net = nn.Sequential(torch.jit.script(nn.Linear(2, 2)))
    assert kept_reason(net, "0", net[0], LAYERS) == "compiled by torch.jit"


class Called(nn.Module):
    """Calls its activation by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.fc(x))


def test_an_activation_that_is_called_is_named() -> None:
    _, report = convert(nn.Sequential(Called(), nn.Linear(2, 2)), "polynomial")
    reason = "activation=none: its forward calls an activation function, not a module"
    assert Kept("0", "Called", reason) in report.kept


def test_a_report_reads_as_lines() -> None:
    swapped = (
        Swap("a", "Linear", "HighOrderLinear", True),
        Swap("b", "Linear", "HighOrderLinear"),
        Swap("c", "A", "B"),
    )
    kept = (Kept("d", "Linear", "why"), Kept("e", "Linear", "why"), Kept("f", "ReLU", "x"))
    report = Report(swapped, kept, 1234, 5678, 4321, 1.23456)
    assert (
        str(report)
        == repr(report)
        == "\n".join(
            [
                "parameters: 1,234 → 5,678 (4,321 without redundant constants)",
                "widths: divided by 1.235; all weights are new",
                "swapped 2 × Linear → HighOrderLinear",
                "swapped 1 × A → B",
                "weights of swapped layers: new, to be trained; 1 of 2 are frozen, as they were",
                "kept 2 × Linear (why)",
                "kept 1 × ReLU (x)",
            ]
        )
    )
    assert report.refusals == "Kept: 2 × Linear (why), 1 × ReLU (x)"
    assert str(Report(swapped[2:], (), 1, 2, 3)) == (
        "parameters: 1 → 2 (3 without redundant constants)\nswapped 1 × A → B"
    )
    assert str(Report(swapped[1:2], (), 1, 2, 3)).endswith("\nweights of swapped layers: new, to be trained")


def test_parameters_are_counted_once() -> None:
    layer = HighOrderLinear(5, 3, "polynomial", n=3)  # 45, of which 12 constants too many
    net = nn.Sequential(layer, layer, nn.Linear(3, 2))
    assert count_parameters(net) == 45 + 8
    assert count_reduced_parameters(nn.Sequential(layer, nn.Linear(3, 2))) == 45 - 12 + 8


@pytest.mark.parametrize("bias", [True, False])
def test_a_layer_stands_for_another_in_every_option(bias: bool) -> None:
    options: dict[str, Any] = {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2), "groups": 2}
    old = nn.Conv2d(4, 6, (3, 2), bias=bias, padding_mode="reflect", dtype=torch.float64, device="meta", **options)
    for layer_type, has_bias in (("polynomial", False), ("crelu", bias)):  # constants are among the functions
        new: Any = HighOrder(make_synapse(layer_type, n=3)).replace(old)
        assert type(new) is HighOrderConv2d
        for key in ("in_channels", "out_channels", "kernel_size", "padding_mode", *options):
            assert getattr(new, key) == getattr(old, key)
        assert (new.weight.dtype, new.weight.is_meta) == (torch.float64, True)
        assert (new.bias is not None) == has_bias
    transposed = nn.ConvTranspose2d(4, 6, 3, stride=2, output_padding=1, bias=bias)
    new = HighOrder(make_synapse("polynomial")).replace(transposed)
    assert (new.output_padding, new.stride) == ((1, 1), (2, 2))
    linear: Any = HighOrder(make_synapse("crelu")).replace(nn.Linear(4, 6, bias))
    assert (linear.in_features, linear.out_features, linear.bias is not None) == (4, 6, bias)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"skip": "haed"}, "skip=haed: matches no layer; nearest name: head"),
        ({"skip": ("fc", "x*")}, "skip=x*: matches no layer; nearest name: "),
        ({"rescale_planes": 0}, "rescale_planes=0: expected a positive number, match or match_reduced"),
        ({"rescale_planes": "much"}, "rescale_planes='much': expected a positive number, match or match_reduced"),
        ({"rescale_planes": "match"}, "rescale_planes=match: Block has no common width"),
        ({"rescale_planes": 2}, "rescale_planes=2: Block has no common width"),
        (
            {"layer_type": "polynomial1d"},
            "layer_type=polynomial1d: fits none of this network's convolutions; nearest name: polynomial2d",
        ),
    ],
)
def test_what_cannot_be_asked_of_a_network(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=f"^{re.escape(said)}"):
        convert(Block(), **options)


def test_what_is_skipped() -> None:
    net = nn.Sequential()
    for name in ("first", "block", "last"):
        net.add_module(name, nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)) if name == "block" else nn.Linear(2, 2))
    net.block.add_module("downsample", nn.Linear(2, 2))
    for skip, kept in (
        ("stem", {"first"}),
        (("head", "stem"), {"first", "last"}),
        ("block", {"block.0", "block.1", "block.downsample"}),
        ("block.?", {"block.0", "block.1"}),
        ("downsample", {"block.downsample"}),
    ):
        _, report = convert(net, "polynomial", skip=skip, linear_output=False)
        assert {each.name for each in report.kept} == kept
        assert {each.reason for each in report.kept} <= {f"skip={word}" for word in ("stem", skip)} | {"linear head"}


def test_a_bare_norm_is_replaced() -> None:
    net, report = convert(nn.BatchNorm1d(8), "standard", norm="max_abs")
    assert isinstance(net, MaxAbs)
    assert [(swap.old, swap.new) for swap in report.swapped] == [("BatchNorm1d", "MaxAbs")]
