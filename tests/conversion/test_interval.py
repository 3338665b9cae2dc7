"""Intervals from data: the functions live where the inputs are, and stay what they were where that is possible."""

from typing import Any

import pytest
import torch
from torch import nn

from high_order_nets import update_interval
from high_order_nets.conversion.refine import refine
from high_order_nets.errors import UserError
from high_order_nets.layers import HighOrderConv2d, HighOrderConvTranspose1d, HighOrderLinear
from high_order_nets.models.mlp import HighOrderMLP
from high_order_nets.plots.observe import watch

X = torch.rand(200, 3, dtype=torch.float64) * torch.tensor([1.0, 4.0, 9.0]) + torch.tensor([0.0, 7.0, -3.0])


def linear(layer_type: str = "polynomial", **options: Any) -> HighOrderLinear:
    return HighOrderLinear(3, 2, layer_type, n=4, dtype=torch.float64, **options)


@pytest.mark.parametrize("per", ["layer", "input"])
@pytest.mark.parametrize(
    "options",
    [
        *({}, {"parameters": "spectral"}, {"sharing": "channel"}, {"sharing": "channel", "parameters": "spectral"}),
        *({"sharing": "deviation"}, {"sharing": "deviation", "parameters": "spectral"}),
    ],
    ids=str,
)
def test_polynomials_stay_what_they_are(per: str, options: dict) -> None:
    layer = linear(init="variance_preserving", **options)
    if layer.bias is not None:
        torch.nn.init.normal_(layer.bias)
    moved, report = update_interval(layer, X, per=per)
    torch.testing.assert_close(moved(X), layer(X), rtol=1e-8, atol=1e-8)
    assert report.relative < 1e-9
    assert str(report).endswith("exact")
    local = moved.localised(X)
    assert 0.9 < float(local.abs().max()) <= 1
    if per == "input":
        assert (local.amax(0) > 0.9).all()
        assert (local.amin(0) < -0.9).all()
    again, _ = update_interval(moved, X * 2, per=per)
    torch.testing.assert_close(again(X), layer(X), rtol=1e-8, atol=1e-8)
    assert layer.interval is None


def test_what_moves_says_its_error() -> None:
    for layer_type, options in (("continuous", {"segments": 3}), ("fourier", {}), ("polynomial", {"domain": "tanh"})):
        layer = linear(layer_type, init="variance_preserving", **options)
        x = X / X.abs().max()
        moved, report = update_interval(layer, x)
        error = float((moved(x) - layer(x)).detach().abs().max())
        assert 1e-9 < error <= 3 * report.layers[0].error * 1.01  # of three functions each
        assert "error" in str(report)


def test_only_the_interval_of_a_linear_domain_is_kept() -> None:
    layer = linear(domain="linear", scale=20.0)
    moved, report = update_interval(layer, X)  # lies inside
    assert report.relative < 1e-9
    torch.testing.assert_close(moved(X), layer(X))


def test_a_whole_network_moves_and_is_saved_and_refined() -> None:
    net = HighOrderMLP("polynomial", in_width=3, out_width=1, hidden_width=4, n=9, dtype=torch.float64)
    moved, report = update_interval(net, X, per="input", margin=0.0)
    assert [each.name for each in report.layers] == ["layers.0", "layers.1"]
    assert report.layers[0].low == pytest.approx(X.amin(0).tolist())
    assert report.layers[0].high == pytest.approx(X.amax(0).tolist())
    seen = watch(moved, X, 100)
    assert all(each.outside == 0 and each.inputs.high == pytest.approx(each.half, abs=1e-6) for each in seen.values())
    fresh = HighOrderMLP("polynomial", in_width=3, out_width=1, hidden_width=4, n=9, dtype=torch.float64)
    fresh.load_state_dict(moved.state_dict())
    torch.testing.assert_close(fresh(X), moved(X))
    torch.testing.assert_close(refine(moved, n=11)(X), moved(X))


def test_convolutions_too() -> None:
    images = torch.rand(2, 3, 6, 6, dtype=torch.float64) * 5 + 2
    conv = HighOrderConv2d(3, 4, 3, "polynomial", n=3, dtype=torch.float64)
    for per in ("layer", "input"):
        moved, report = update_interval(conv, images, per=per)
        torch.testing.assert_close(moved(images), conv(images))
        assert report.relative < 1e-9
    transposed = HighOrderConvTranspose1d(3, 2, 3, "polynomial", n=3, dtype=torch.float64)
    moved, _ = update_interval(transposed, images[:, :, 0])
    torch.testing.assert_close(moved(images[:, :, 0]), transposed(images[:, :, 0]))
    with pytest.raises(UserError, match="per=input: its functions are not those of single inputs"):
        update_interval(
            HighOrderConvTranspose1d(3, 2, 3, "polynomial", dtype=torch.float64), images[:, :, 0], per="input"
        )


@pytest.mark.parametrize(
    ("layer", "x", "options", "message"),
    [
        (linear(base="silu"), X, {}, "base=silu"),
        (linear(), X * torch.inf, {}, "not finite"),
        (linear(), X, {"per": "channel"}, "expected layer or input"),
        (nn.Linear(3, 1).double(), X, {}, "has no high-order layer"),
    ],
)
def test_what_cannot_move_is_refused(layer: nn.Module, x: torch.Tensor, options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        update_interval(layer, x, **options)
