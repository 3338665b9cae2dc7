"""Aligned intervals: the functions get inputs of deviation 1, measured once."""

from typing import Any

import pytest
import torch
from torch import nn

from high_order_nets import align, convert, update_interval
from high_order_nets.conversion.refine import refine
from high_order_nets.errors import UserError
from high_order_nets.layers import (
    HighOrderConv2d,
    HighOrderConvTranspose1d,
    HighOrderLayer,
    HighOrderLinear,
    HighOrderTensorProduct,
    make_synapse,
)
from high_order_nets.models.mlp import HighOrderMLP
from high_order_nets.names import automatic_length

X = torch.randn(500, 3, dtype=torch.float64) * torch.tensor([1.0, 4.0, 9.0]) + torch.tensor([0.0, 7.0, -3.0])


def linear(layer_type: str = "polynomial", **options: Any) -> HighOrderLinear:
    options = {"n": 4, "dtype": torch.float64} | options
    return HighOrderLinear(3, 2, layer_type, **options)


def wanted(x: torch.Tensor, how: str) -> torch.Tensor:
    """u of x (N, channels)."""
    if how == "layer":
        return x / (x**2).mean().sqrt()
    return (x - x.mean(0)) / (((x - x.mean(0)) ** 2).mean(0)).sqrt()


@pytest.mark.parametrize("how", ["layer", "channel"])
@pytest.mark.parametrize("options", [{}, {"base": "silu"}, {"sharing": "channel"}, {"parameters": "spectral"}], ids=str)
def test_functions_are_those_of_standardised_inputs(how: str, options: dict) -> None:
    layer, plain = linear(align=how, **options), linear(**options)
    plain.load_state_dict(layer.state_dict())
    torch.testing.assert_close(layer(X), plain(X), rtol=0, atol=0)  # until it is aligned
    assert align(layer, X) is layer
    torch.testing.assert_close(layer(X), plain(wanted(X, how)))
    assert layer.interval is not None
    before = layer.interval.clone()
    align(layer, 2 * X)  # once and for all
    assert layer.interval.equal(before)


def test_images_are_standardised_by_channel() -> None:
    images = X[:200].view(2, 10, 10, 3).permute(0, 3, 1, 2)
    for layer in (
        HighOrderConv2d(3, 4, 3, "polynomial", n=3, align="channel", dtype=torch.float64, padding=1),
        HighOrderConvTranspose1d(3, 2, 3, "polynomial", n=3, align="channel", dtype=torch.float64),
    ):
        x = images if isinstance(layer, HighOrderConv2d) else images.flatten(2)
        align(layer, x)
        u = layer.localised(x).movedim(1, -1).flatten(0, -2)
        torch.testing.assert_close(u, wanted(X[:200], "channel"))


@pytest.mark.parametrize("how", ["layer", "channel"])
def test_later_layers_see_aligned_earlier_ones(how: str) -> None:
    net = HighOrderMLP("polynomial", in_width=3, out_width=2, hidden_width=6, n=4, align=how, dtype=torch.float64)
    align(net, X)
    again = HighOrderMLP("polynomial", in_width=3, out_width=2, hidden_width=6, n=4, align=how, dtype=torch.float64)
    again.load_state_dict(net.state_dict())
    torch.testing.assert_close(again(X), net(X), rtol=0, atol=0)
    first, second = net.layers
    torch.testing.assert_close(first.localised(X), wanted(X, how))
    torch.testing.assert_close(second.localised(first(X)), wanted(first(X), how))


def test_nothing_but_intervals_changes() -> None:
    net, _ = convert(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Conv2d(4, 4, 3)),
        "polynomial2d",
        scale="auto",
        norm="keep",
        linear_output=False,
    )
    net.eval()
    state = {key: value.clone() for key, value in net.state_dict().items()}
    torch.manual_seed(3)
    align(net, 3 * torch.randn(4, 3, 8, 8))
    after = torch.rand(2)
    torch.manual_seed(3)
    torch.randn(4, 3, 8, 8)
    assert after.equal(torch.rand(2))
    assert not any(module.training for module in net.modules())
    new = net.state_dict()
    assert {*new} - {*state} == {"0.interval", "3.interval"}
    assert all(new[key].equal(value) for key, value in state.items())
    # In training mode: the norm gave deviation 1 and dropout of one half made √2 of it.
    assert float(net[3].interval[1, 0]) == pytest.approx(0.5**0.5, rel=0.1)


def test_what_is_constant_keeps_its_factor() -> None:
    x = X.clone()
    x[:, 1] = 0.1
    layer = align(linear(align="channel").float(), x.float())
    assert layer.interval[1, 1] == 1.0
    assert layer.localised(x.float())[:, 1].abs().max() < 1e-6
    assert align(linear(align="layer"), 0 * X).interval[1].tolist() == [1.0] * 3


def test_refinement_and_moves_keep_the_functions() -> None:
    for how in ("layer", "channel"):
        layer = align(linear(align=how, scale=8.0), X)
        finer = refine(layer, n=6)
        torch.testing.assert_close(finer(X), layer(X), rtol=1e-10, atol=1e-10)
        moved, _ = update_interval(layer, X, per="input")
        torch.testing.assert_close(moved(X), layer(X), rtol=1e-8, atol=1e-8)
    with pytest.raises(UserError, match="intervals of their own; take per=input"):
        update_interval(layer, X)


def test_what_is_reached_twice_is_measured_once() -> None:
    layer = HighOrderLinear(3, 3, "polynomial", n=2, align="layer", dtype=torch.float64)
    align(nn.Sequential(layer, layer), X)
    torch.testing.assert_close(layer.localised(X), wanted(X, "layer"))


@pytest.mark.parametrize(
    ("layer_type", "sizes", "length"),
    [
        ("polynomial2d", {"n": 3}, 4.0),
        ("polynomial2d", {"n": 4}, 5.0),
        ("continuous2d", {"n": 3, "segments": 4}, 4.0),
        ("continuous2d", {"n": 2, "segments": 5}, 5.0),
        ("fourier", {"n": 3}, 4.0),
        ("fourier", {"n": 5}, 5.0),
        ("crelu", {"n": 5}, 4.0),
        ("product", {}, 4.0),
    ],
)
def test_auto_is_a_length_by_the_functions_and_aligns(layer_type: str, sizes: dict, length: float) -> None:
    synapse = make_synapse(layer_type, scale="auto", **sizes)
    assert (synapse.basis.length, synapse.align) == (length, "layer")
    assert make_synapse(layer_type, scale="auto", align="channel", **sizes).align == "channel"
    assert make_synapse(layer_type, scale=5, align="layer", **sizes).basis.length == 5
    assert make_synapse(layer_type, **sizes).align == "none"
    assert automatic_length(None, None) == 4.0


def test_an_aligned_mlp_has_one_length() -> None:
    net = HighOrderMLP("polynomial", in_width=3, out_width=2, n=5, scale="auto", last={"n": 3, "scale": "auto"})
    found = [(layer.synapse.basis.length, layer.synapse.domain, layer.synapse.align) for layer in net.layers]
    assert found == [(5.0, "linear", "layer"), (4.0, "tanh", "layer")]
    wide = HighOrderMLP("polynomial", in_width=3, out_width=2, align="layer")
    assert [layer.synapse.basis.length for layer in wide.layers] == [4.0, 4.0]


def test_few_inputs_lie_outside_after_alignment() -> None:
    net, _ = convert(nn.Sequential(*[nn.Linear(64, 64) for _ in range(4)]), scale="auto", linear_output=False)
    x = 7 * torch.randn(256, 64)
    align(net, x)
    for layer in net.children():
        assert isinstance(layer, HighOrderLayer)
        assert float((layer.localised(x).abs() > 2).double().mean()) < 0.06
        x = layer(x).detach()


def test_what_cannot_be_aligned_is_refused() -> None:
    with pytest.raises(UserError, match="HighOrderLinear: gets inputs that are not finite"):
        align(linear(align="layer"), X * torch.inf)
    with pytest.raises(UserError, match=r"^align='rows': expected one of none, layer, channel, batch"):
        convert(nn.Linear(3, 2), "polynomial", align="rows")
    with pytest.raises(UserError, match="align=batch: its inputs are standardised anew"):
        update_interval(linear(align="batch"), X)
    with pytest.raises(ValueError, match="or alignment"):
        HighOrderTensorProduct(2, 1, "polynomial", align="layer")


def test_a_batch_norm_stands_in_front_of_the_functions() -> None:
    for options in ({}, {"base": "relu", "sharing": "channel"}):
        layer, plain, norm = (
            linear(align="batch", **options),
            linear(**options),
            nn.BatchNorm1d(3, affine=False).double(),
        )
        plain.load_state_dict({k: v for k, v in layer.state_dict().items() if not k.startswith("running")})
        for x in X.split(100):
            torch.testing.assert_close(layer(x), plain(norm(x)))
        layer.eval()
        norm.eval()
        torch.testing.assert_close(layer(X), plain(norm(X)))
        fresh = linear(align="batch", **options).eval()
        fresh.load_state_dict(layer.state_dict())
        torch.testing.assert_close(fresh(X), layer(X), rtol=0, atol=0)
        torch.testing.assert_close(refine(layer, n=5)(X), layer(X))
        assert align(layer, X).interval is None


def test_a_batch_norm_has_the_gradient_of_one() -> None:
    conv = HighOrderConv2d(2, 2, 3, "polynomial", n=3, align="batch", dtype=torch.float64, padding=1)
    x = torch.randn(2, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, w: torch.func.functional_call(conv, {"weight": w}, x), (x, conv.weight))
