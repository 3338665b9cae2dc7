"""Rules: layers of some names get options of their own, the last rule that names an option first."""

from typing import Any

import pytest
import torch
from torch import nn

from high_order_nets import convert
from high_order_nets.conversion.counting import count_parameters
from high_order_nets.errors import UserError
from high_order_nets.layers import HighOrderConv2d, HighOrderLayer, HighOrderLinear, HighOrderProduct, make_synapse
from high_order_nets.models.resnet import resnet10_small
from tests.conversion.test_layer_type import Bending, LowRank


def stack() -> nn.Module:
    """Layers stem, body.0, body.1 (a downsample), body.2 and head."""
    body = nn.Sequential(nn.Conv2d(4, 4, 3), nn.Sequential(), nn.Conv2d(4, 6, 3))
    body[1].downsample = nn.Conv2d(4, 4, 1)
    parts = {"stem": nn.Conv2d(3, 4, 3), "body": body, "flat": nn.Flatten(), "head": nn.Linear(6, 2)}
    net = nn.Sequential()
    for name, part in parts.items():
        net.add_module(name, part)
    return net


def synapses(net: nn.Module) -> dict[str, Any]:
    return {name: m.synapse for name, m in net.named_modules() if isinstance(m, HighOrderLayer)}


def test_each_layer_gets_the_options_of_the_rules_that_match_it() -> None:
    rules = {
        "body": {"sharing": "synapse", "n": 2},
        "body.2": {"n": 5, "scale": 6.0},
        "downsample": {"init": "relu"},
        "st*": {"dropout": 0.5},
    }
    net, report = convert(stack(), "polynomial2d", sharing="channel", rules=rules, linear_output=False)
    shared = {"scale": 4.0, "domain": "tanh", "parameters": "spectral"}
    assert synapses(net) == {
        "stem": make_synapse("polynomial", n=3, sharing="channel", dropout=0.5, **shared),
        "body.0": make_synapse("polynomial", n=2, **shared),
        "body.1.downsample": make_synapse("polynomial", n=2, init="relu", **shared),
        "body.2": make_synapse("polynomial", n=5, **shared | {"scale": 6.0}),
        "head": make_synapse("polynomial", n=3, sharing="channel", **shared),
    }
    assert {swap.name: swap.functions for swap in report.swapped} == {k: str(v) for k, v in synapses(net).items()}
    assert "swapped 1 × Conv2d → HighOrderConv2d (Polynomial(n=5, length=6.0)" in str(report)


def test_later_rules_win() -> None:
    wide, narrow = {"body": {"n": 2}}, {"body.0": {"n": 4}}
    for rules, n in ((wide | narrow, 4), (narrow | wide, 2)):
        net, _ = convert(stack(), "polynomial2d", rules=rules)
        assert synapses(net)["body.0"].basis.n == n


def test_another_family_takes_the_options_of_convert_too() -> None:
    rules = {"body.0": {"layer_type": "fourier2d", "n": 2}, "head": {"layer_type": "polynomial_prod"}}
    net, _ = convert(stack(), "polynomial2d", scale=3.0, rules=rules, linear_output=False)
    found = synapses(net)
    assert str(found["body.0"].basis) == "Fourier(n=2, length=3.0)"
    assert isinstance(net.get_submodule("head"), HighOrderProduct)
    assert str(found["stem"].basis) == "Polynomial(n=3, length=3.0)"


def test_standard_leaves_a_layer_and_its_activations() -> None:
    blocks = nn.Sequential(nn.Sequential(nn.Linear(4, 8), nn.ReLU()), nn.Sequential(nn.Linear(8, 2), nn.ReLU()))
    for kind, rules in (
        ("polynomial", {"1": {"layer_type": "standard"}}),
        ("standard", {"0": {"layer_type": "polynomial"}}),
    ):
        net, report = convert(blocks, kind, rules=rules, linear_output=False)
        assert [type(m) for m in (net[0][0], net[1][0])] == [HighOrderLinear, nn.Linear]  # type: ignore[index]
        assert [type(m) for m in (net[0][1], net[1][1])] == [nn.Identity, nn.ReLU]  # type: ignore[index]
        assert {kept.name: kept.reason for kept in report.kept} == {
            "1.0": "layer_type=standard",
            "1.1": "not between converted layers",
        }


def test_activations_go_only_where_layers_bend() -> None:
    blocks = nn.Sequential(nn.Sequential(nn.Linear(4, 8), nn.ReLU()), nn.Sequential(nn.Linear(8, 8), nn.ReLU()))
    net, _ = convert(blocks, LowRank(2), rules={"0": {"layer_type": Bending(2)}}, linear_output=False)
    assert [type(m) for m in (net[0][1], net[1][1])] == [nn.Identity, nn.ReLU]  # type: ignore[index]
    net, _ = convert(
        blocks, LowRank(2), rules={"0": {"layer_type": Bending(2)}}, linear_output=False, activation="silu"
    )
    assert [type(m) for m in (net[0][1], net[1][1])] == [nn.SiLU, nn.SiLU]  # type: ignore[index]


def test_a_synapse_is_changed_and_another_layer_type_is_not() -> None:
    synapse = make_synapse("continuous", n=2, segments=3, domain="clamp")
    net, _ = convert(stack(), synapse, rules={"body": {"segments": 6, "base": "silu"}})
    expected = make_synapse("continuous", n=2, segments=6, domain="clamp", base="silu")
    assert synapses(net)["body.2"] == expected
    assert synapses(net)["stem"] == synapse
    with pytest.raises(
        UserError, match=r"rules of head: n: options belong to a layer type's name; a LowRank has its own"
    ):
        convert(stack(), LowRank(1), rules={"head": {"n": 2}}, linear_output=False)


def test_no_rules_and_rules_of_the_same_draw_the_same() -> None:
    nets = []
    for rules in (None, {"body": {"n": 3}}):
        torch.manual_seed(0)
        nets.append(convert(stack(), "polynomial2d", rules=rules)[0].state_dict())
    assert all(torch.equal(value, nets[1][key]) for key, value in nets[0].items())


@pytest.mark.parametrize("rules", [{"layer1": {"sharing": "synapse"}}, {"layer4": {"n": 5}, "stem": {"base": "silu"}}])
def test_widths_match_what_the_rules_make(rules: dict[str, Any]) -> None:
    standard = resnet10_small(num_classes=10)
    net, report = convert(standard, "polynomial2d", sharing="channel", rules=rules, rescale_planes="match")
    assert report.parameters_after == count_parameters(net)
    assert report.parameters_after == pytest.approx(report.parameters_before, rel=0.02)
    assert isinstance(net.get_submodule("layer1.0.conv1"), HighOrderConv2d)


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"bdy": {"n": 2}}, "rules=bdy: matches no layer; nearest name: body"),
        ({"body": {"m": 2}}, "rules=body: unknown option m; its options are layer_type, n, segments, scale"),
        ({"body": {"shering": "channel"}}, "rules=body: unknown option shering; nearest valid name: sharing"),
        ({"body": 5}, "rules=body: expected options"),
        ({"body.2": {"n": 0}}, "rules of body.2: n=0: a polynomial needs at least one node"),
        ({"body.2": {"segments": 2}}, "rules of body.2: segments: Polynomial has none"),
        ({"body.2": {"layer_type": "crelu", "n": 4}}, "rules of body.2: n: CReLU has none"),
        ({"body": {"layer_type": "fourier1d"}}, "layer_type=fourier1d: fits none of this network's convolutions"),
        ({"head": {"n": 2}}, r"rules=head: its layers are left as they are \(linear head\)"),
        ({"stem": {"n": 2}}, r"rules=stem: its layers are left as they are \(skip=stem\)"),
    ],
)
def test_what_cannot_be_meant_is_refused(rules: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        convert(stack(), "polynomial2d", rules=rules, skip="stem")


def test_a_bare_layer_takes_rules() -> None:
    layer, _ = convert(nn.Linear(3, 2), "polynomial", rules={"stem": {"n": 4}})
    assert isinstance(layer, HighOrderLinear)
    assert layer.synapse.basis.n == 4
