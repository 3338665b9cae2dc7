"""Fully connected networks, high-order and plain, and the seed's ways to refine them."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from high_order_nets import convert
from high_order_nets.conversion.refine import hp_refine_high_order_mlp, interpolate_high_order_mlp
from high_order_nets.conversion.swaps import NORMS
from high_order_nets.data.spec import PointSpec
from high_order_nets.errors import UserError
from high_order_nets.layers import HighOrderLinear, make_synapse
from high_order_nets.models import factory
from high_order_nets.models.mlp import HighOrderMLP, mlp
from high_order_nets.models.vision import image_classifier

COPIES = [interpolate_high_order_mlp, hp_refine_high_order_mlp]


def network(layer_type: str = "continuous", norm: str = "layer", **options) -> HighOrderMLP:
    sizes = {"in_width": 3, "out_width": 2, "hidden_width": 8, "hidden_layers": 2}
    return HighOrderMLP(layer_type, norm=norm, dtype=torch.float64, **(sizes | {"scale": 4.0} | options))  # type: ignore[arg-type]


@pytest.mark.parametrize("norm", [norm for norm in NORMS if norm not in ("keep", "instance")])
def test_norms_stand_between_the_layers(norm: str) -> None:
    net = network(norm=norm, n=3, segments=2)
    assert net(torch.randn(5, 3, dtype=torch.float64)).shape == (5, 2)
    assert [layer.weight.shape for layer in net.layers] == [(8, 5, 3), (8, 5, 8), (2, 5, 8)]
    if norm not in ("batch", "group"):
        assert net(torch.randn(4, 5, 3, dtype=torch.float64)).shape == (4, 5, 2)


def test_no_hidden_layers_are_one_layer() -> None:
    net = network(hidden_layers=0, norm="max_abs")
    assert len(net.layers) == 1
    assert not list(net.norms)


def test_a_synapse_stands_for_a_name() -> None:
    synapse = make_synapse("polynomial", n=4)
    assert HighOrderMLP(synapse, in_width=1, out_width=1).layers[0].synapse == synapse
    with pytest.raises(UserError, match="a Synapse has its own"):
        HighOrderMLP(synapse, in_width=1, out_width=1, n=3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer_type": "polynomal"}, "expected one of"),
        ({"norm": "instance"}, "norm='instance'"),
        ({"norm": "bach"}, "expected one of none"),
        ({"hidden_width": 0}, "expected positive"),
        ({"hidden_layers": -1}, "expected positive"),
        ({"frequency": 3}, "frequency"),
    ],
)
def test_bad_options_are_refused(options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        network(**options)


@pytest.mark.parametrize("copy", COPIES)
@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (("continuous", {"n": 2}), ("continuous", {"n": 5})),
        (("continuous", {"n": 3, "segments": 2}), ("continuous", {"n": 4, "segments": 4})),
        (("polynomial", {"n": 3}), ("discontinuous", {"n": 3, "segments": 3})),
        (("fourier", {"n": 3}), ("fourier", {"n": 7})),
        (("continuous_prod", {"n": 2}), ("continuous_prod", {"n": 3, "segments": 2})),
    ],
)
def test_finer_networks_take_over_the_functions(copy: Callable, norm: str, old, new) -> None:
    network_in, network_out = network(old[0], norm, **old[1]), network(new[0], norm, **new[1])
    x = torch.randn(16, 3, dtype=torch.float64)
    network_in(x)  # batch norms have seen data
    layer = network_out.layers[0]
    assert copy(network_in, network_out) is network_out
    assert network_out.layers[0] is layer
    torch.testing.assert_close(network_out.eval()(x), network_in.eval()(x))


def test_interpolation_may_lose_what_refinement_may_not() -> None:
    network_in, network_out = network(n=5), network(n=2)
    with pytest.raises(UserError, match=r"layers\.0: .* is not exact"):
        hp_refine_high_order_mlp(network_in, network_out)
    interpolate_high_order_mlp(network_in, network_out)
    ends = network_in.layers[0].weight[:, [0, -1]]
    torch.testing.assert_close(network_out.layers[0].weight, ends)


@pytest.mark.parametrize("copy", COPIES)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_layers": 3}, "networks of one depth"),
        ({"hidden_width": 9}, "differ in more than their functions"),
        ({"domain": "tanh"}, "domain and options"),
        ({"scale": 2.0}, "domain and options"),
        ({"norm": "batch"}, "differ in more than their functions"),
    ],
)
def test_other_networks_are_refused(copy: Callable, options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        copy(network(), network(**({"norm": "none"} | options)))


@pytest.mark.parametrize(("channels", "size"), [(1, 8), (3, 32)])
def test_the_plain_network_becomes_high_order(channels: int, size: int) -> None:
    options = {"hidden_width": 16, "hidden_layers": 3}
    plain = image_classifier(mlp, channels=channels, classes=5, image_size=size, options=options)
    assert [type(m).__name__ for m in plain[1]] == ["Linear", "BatchNorm1d", "ReLU"]
    net, _ = convert(plain, "continuous", n=3, segments=2)
    assert [type(m).__name__ for m in net.modules() if hasattr(m, "weight")][::2] == ["HighOrderLinear"] * 3 + [
        "Linear"
    ]
    assert isinstance(net[1][2], nn.Identity)
    assert isinstance(net[1][0], HighOrderLinear)
    assert net(torch.zeros(2, channels, size, size)).shape == (2, 5)


def bounds(net: Any) -> list[tuple[float, str]]:
    return [(layer.synapse.basis.length, layer.synapse.domain) for layer in net.layers]


@pytest.mark.parametrize(
    ("layer_type", "options", "expected"),
    [
        ("polynomial", {}, [(2, "linear"), (4, "tanh"), (4, "tanh")]),
        ("fourier", {}, [(4, "linear"), (4, "tanh"), (4, "tanh")]),
        ("polynomial", {"scale": 3.0}, [(3, "linear"), (3, "tanh"), (3, "tanh")]),
        ("polynomial", {"domain": "clamp"}, [(2, "clamp"), (4, "clamp"), (4, "clamp")]),
        ("polynomial", {"periodicity": 2.0}, [(2, "extrapolate")] * 3),
        ("continuous_prod", {}, [(2, "extrapolate")] * 3),
        ("polynomial", {"last": {"domain": "clamp", "scale": 1.0}}, [(2, "linear"), (4, "tanh"), (1, "clamp")]),
    ],
)
def test_what_is_left_open_suits_the_place(layer_type: str, options: dict, expected: list) -> None:
    net = HighOrderMLP(layer_type, in_width=2, out_width=1, hidden_width=3, hidden_layers=2, **options)
    assert bounds(net) == expected


def test_first_inner_and_last_layers_have_options_of_their_own() -> None:
    net = HighOrderMLP(
        "polynomial",
        in_width=2,
        out_width=1,
        hidden_width=[3, 4, 5],
        n=3,
        first={"layer_type": "continuous", "segments": 4, "n": 2},
        inner={"n": 5, "segments": None},
        last={"layer_type": "fourier", "n": 7, "parameters": "spectral"},
    )
    assert [layer.weight.shape for layer in net.layers] == [(3, 5, 2), (4, 5, 3), (5, 5, 4), (1, 6, 5)]
    assert net(torch.rand(6, 2)).shape == (6, 1)
    with pytest.raises(UserError, match="HighOrderMLP: unknown keyword segmets; nearest keyword: segments"):
        HighOrderMLP("polynomial", in_width=1, out_width=1, first={"segmets": 3})
    one = HighOrderMLP("polynomial", in_width=1, out_width=1, hidden_layers=0, first={"n": 4}, last={"domain": "clamp"})
    assert (one.layers[0].synapse.basis.n, one.layers[0].synapse.domain) == (4, "clamp")


def test_state_dicts_of_before_have_the_bounds_of_then() -> None:
    options: dict[str, Any] = {"in_width": 2, "out_width": 1, "hidden_width": 4}
    before = HighOrderMLP("polynomial", **options, scale=2.0, domain="extrapolate")
    x = torch.randn(8, 2)
    old = {key: value for key, value in before.state_dict().items() if key != "_extra_state"}
    net = HighOrderMLP("polynomial", **options)
    assert not torch.equal(net(x), before(x))
    net.load_state_dict(old)
    torch.testing.assert_close(net(x), before(x))
    again = HighOrderMLP("polynomial", **options)
    again.load_state_dict(net.state_dict())  # which keeps what it was
    torch.testing.assert_close(again(x), before(x))
    explicit = HighOrderMLP("polynomial", **options, domain="clamp", scale=3.0)
    explicit.load_state_dict(old)
    assert bounds(explicit) == [(3, "clamp")] * 2
    new = HighOrderMLP("polynomial", **options)
    again.load_state_dict(new.state_dict())
    torch.testing.assert_close(again(x), new(x))


def test_a_residual_layer_adds_what_it_gets() -> None:
    net = HighOrderMLP("polynomial", in_width=2, out_width=1, hidden_width=3, hidden_layers=3, residual=True)
    plain = HighOrderMLP("polynomial", in_width=2, out_width=1, hidden_width=3, hidden_layers=3)
    plain.load_state_dict(net.state_dict())
    x = torch.rand(5, 2)
    first, *inner, last = net.layers.children()
    y = first(x)
    for layer in inner:
        y = y + layer(y)
    torch.testing.assert_close(net(x), last(y))
    assert not torch.equal(net(x), plain(x))
    with pytest.raises(UserError, match="expected hidden layers of one width"):
        HighOrderMLP("polynomial", in_width=2, out_width=1, hidden_width=[2, 3], residual=True)


def test_the_standard_network_is_built_alike() -> None:
    net = HighOrderMLP("standard", in_width=2, out_width=1, hidden_width=3, hidden_layers=2, norm="batch")
    assert [type(m).__name__ for m in net.modules()].count("ReLU") == 2
    assert [type(m) for m in net.layers] == [nn.Linear] * 3
    silu = HighOrderMLP("standard", in_width=2, out_width=1, activation="silu")
    assert isinstance(silu.activations[0], nn.SiLU)
    assert isinstance(HighOrderMLP("polynomial", in_width=2, out_width=1).activations[0], nn.Identity)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), [(2.0, "linear"), (4.0, "tanh")]),
        (("layer_type=fourier", "scale=3"), [(4.0, "linear"), (3.0, "tanh")]),
        (("model_name.first.scale=1", "domain=clamp"), [(1.0, "linear"), (4.0, "clamp")]),
    ],
)
def test_the_command_line_builds_it(words: tuple[str, ...], expected: list, settings) -> None:
    spec = PointSpec(("x", "y"), ("f",), (1.0,), (0.0,))
    net, report = factory.network(settings("dataset=function", *words), spec)
    assert isinstance(net, HighOrderMLP)
    assert bounds(net) == expected
    assert report.parameters_before == 8 * 3 + 9
    standard: Any = factory.network(settings("dataset=function", "layer_type=standard", "model_name.last.n=5"), spec)[0]
    assert [type(layer) for layer in standard.layers] == [nn.Linear] * 2
