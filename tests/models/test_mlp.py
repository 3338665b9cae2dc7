"""Fully connected networks, high-order and plain, and the seed's ways to refine them."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from high_order_nets import convert
from high_order_nets.conversion.refine import hp_refine_high_order_mlp, interpolate_high_order_mlp
from high_order_nets.conversion.swaps import NORMS
from high_order_nets.errors import UserError
from high_order_nets.layers import HighOrderLinear, make_synapse
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
