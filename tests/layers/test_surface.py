"""What a programmer sees: names, reprs, and what is said of a wrong keyword."""

from collections.abc import Callable
from typing import Any

import high_order_layers_torch.networks as peer
import pytest
import torch
from torch import nn

import high_order_nets
from high_order_nets import coarsen, convert
from high_order_nets.errors import UserError
from high_order_nets.layers import (
    HighOrderConv2d,
    HighOrderConvTranspose1d,
    HighOrderLinear,
    HighOrderProduct,
    Product,
    high_order_convolution_layers,
    high_order_fc_layers,
    make_synapse,
)
from high_order_nets.models.mlp import HighOrderMLP


def test_the_package_shows_its_functions() -> None:
    public = [name for name in dir(high_order_nets) if not name.startswith("_")]
    expected = ["align", "coarsen", "convert", "fit", "load", "refine", "runs", "train", "update_interval"]
    assert sorted(public) == expected


def test_reports_read_as_their_text() -> None:
    net, report = convert(nn.Linear(3, 4), "continuous", n=3, segments=2, parameters="nodal")
    assert repr(report) == str(report)
    _, errors = coarsen(net, n=2)
    assert repr(errors) == str(errors)


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (
            HighOrderLinear(3, 4, "continuous", segments=2, domain="tanh"),
            "HighOrderLinear(in_features=3, out_features=4, bias=False, "
            "ContinuousPiecewise(n=3, segments=2, length=2.0), domain=tanh)",
        ),
        (
            HighOrderConv2d(4, 8, 3, "polynomial", stride=2, padding=1, groups=2, dilation=2, padding_mode="circular"),
            "HighOrderConv2d(4, 8, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), dilation=(2, 2), groups=2, "
            "padding_mode=circular, bias=False, Polynomial(n=3, length=2.0))",
        ),
        (
            HighOrderConvTranspose1d(4, 8, 3, "fourier", stride=2, output_padding=1, bias=True),
            "HighOrderConvTranspose1d(4, 8, kernel_size=(3,), stride=(2,), output_padding=(1,), bias=True, "
            "Fourier(n=3, length=2.0))",
        ),
        (Product(3, 4), "Product(in_features=3, out_features=4, bias=True, Line(length=2.0), neuron=product)"),
    ],
)
def test_a_layer_shows_its_sizes(layer: nn.Module, text: str) -> None:
    assert repr(layer) == text


def mlp(**options: Any) -> nn.Module:
    return HighOrderMLP("polynomial", in_width=3, out_width=2, **options)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: HighOrderConv2d(3, 4, 3, "polynomial", strid=2), "HighOrderConv2d: .* strid; nearest keyword: stride"),
        (
            lambda: HighOrderLinear(3, 4, "fourier", domian="tanh"),
            "HighOrderLinear: .*; nearest keyword: domain",
        ),
        (lambda: HighOrderLinear(3, 4, "fourier", length=2), "length; here it is scale"),
        (lambda: HighOrderProduct(3, 4, "fourier", initialization="x"), "HighOrderProduct: .*; here it is init"),
        (lambda: mlp(n_in=3), "HighOrderMLP: unknown keyword n_in; here it is n"),
        (lambda: mlp(normalization="batch"), "here it is norm"),
        (lambda: mlp(non_linearity=torch.relu), "here it is activation"),
        (lambda: mlp(hidden_segments=3), "here it is segments"),
        (lambda: make_synapse("polynomial", weight_magnitude=1), "make_synapse: .*; here it is init"),
        (lambda: make_synapse("polynomial", qqqq=1), "its options are n, segments, scale, domain"),
        (lambda: high_order_fc_layers("fourier", in_features=3, out_features=2, segment=3), "here it is segments"),
        (
            lambda: high_order_convolution_layers("fourier2d", in_channels=3, out_channels=2, kernel_size=1, pading=1),
            "high_order_convolution_layers: unknown keyword pading; nearest keyword: padding",
        ),
        (
            lambda: HighOrderLinear(3, 4, make_synapse("fourier"), domain="tanh", scale=2),
            "^domain, scale: options belong to a layer type's name",
        ),
        (lambda: convert(nn.Linear(3, 4), "polynomial", skipp="x"), "convert: .* skipp; nearest keyword: skip"),
        (lambda: convert(nn.Linear(3, 4), "standard", skipp="x"), "convert: .* skipp; nearest keyword: skip"),
    ],
)
def test_a_wrong_keyword_names_who_was_called_and_what_was_meant(call: Callable[[], Any], said: str) -> None:
    with pytest.raises((TypeError, UserError), match=said):
        call()


@pytest.mark.parametrize("option", ["domain", "parameters", "base", "sharing"])
def test_a_wrong_name_is_said_with_its_option_and_the_names_there_are(option: str) -> None:
    with pytest.raises(ValueError, match=f"^{option}='x': expected one of [a-z]+, [a-z]+"):
        make_synapse("polynomial", **{option: "x"})


def test_no_segments_are_one() -> None:
    assert make_synapse("continuous", segments=None) == make_synapse("continuous", segments=1)


def test_hidden_layers_are_counted_as_the_docstring_says() -> None:
    ours = HighOrderMLP("polynomial", in_width=2, out_width=3, hidden_width=4, hidden_layers=3)
    assert len(ours.layers) == 4
    theirs = peer.HighOrderMLP("polynomial", 3, 2, 3, 2, 4)  # type: ignore[arg-type]
    assert len(list(theirs.model)) == len(ours.layers)
