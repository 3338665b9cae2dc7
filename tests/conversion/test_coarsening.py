"""What coarsening says, and what refining refuses, in words."""

import re
from typing import Any

import pytest
import torch
from torch import nn

from high_order_nets.conversion.refine import Target, coarsen, refine
from high_order_nets.errors import UserError
from high_order_nets.layers import HighOrderLinear, make_synapse


def test_a_coarsening_reads_as_lines() -> None:
    net = nn.Sequential(HighOrderLinear(1, 1, "polynomial", n=3), HighOrderLinear(1, 1, "polynomial", n=2))
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([1.0, 0.0, 1.0]).view(1, 3, 1))  # x²
    _, report = coarsen(net, n=2)  # the line through 1 and 1: off by 1 at 0
    assert [(each.name, each.error, each.relative) for each in report.layers] == [
        ("0", pytest.approx(1.0, abs=0.01), pytest.approx(1.0, abs=0.01)),
        ("1", 0.0, 0.0),
    ]
    first, second = str(report).split("\n")
    assert first.startswith("0: Polynomial(n=3, length=2.0) → Polynomial(n=2, length=2.0): error ")
    assert second == "1: Polynomial(n=2, length=2.0) → Polynomial(n=2, length=2.0): error 0 (0.00%)"
    assert report.relative == pytest.approx(1.0, abs=0.01)
    assert str(coarsen(net[1], n=1)[1]).startswith("layer: Polynomial(n=2")
    assert repr(report) == str(report)


@pytest.mark.parametrize(
    ("layer", "target", "said"),
    [
        ({}, {}, "refine: expected n, segments, layer_type, sharing or parameters"),
        ({}, {"segments": 3}, "refine: segments: Polynomial has none"),
        ({"layer_type": "crelu"}, {"n": 2, "segments": 3}, "refine: n, segments: CReLU has none"),
        ({"layer_type": "crelu"}, {"layer_type": "fourier"}, "refine: layer_type=fourier: needs n, which CReLU"),
        (
            {"layer_type": "polynomial"},
            {"layer_type": "polynomial_prod"},
            "refine: layer_type=polynomial_prod: neurons that add cannot become ones that multiply",
        ),
        (
            {"sharing": 2},
            {"sharing": 3},
            "HighOrderLinear: sharing=3: expected a multiple of its 2 functions that divides its 4 channels",
        ),
        ({"sharing": 2}, {"sharing": 8}, "HighOrderLinear: sharing=8: expected a multiple of its 2 functions that"),
        (
            {},
            {"sharing": "channel"},
            "HighOrderLinear: sharing=channel: connections with functions of their own cannot share one",
        ),
    ],
)
def test_what_cannot_be_refined(layer: dict[str, Any], target: dict[str, Any], said: str) -> None:
    name, options = layer.get("layer_type", "polynomial"), {k: v for k, v in layer.items() if k != "layer_type"}
    with pytest.raises(UserError, match=f"^{re.escape(said)}"):
        refine(HighOrderLinear(4, 2, name, **options), **target)


def test_products_stay_nodal() -> None:
    old = make_synapse("polynomial_prod", n=3)
    with pytest.raises(ValueError, match=r"^parameters=spectral: product neurons are nodal, each of their constants c"):
        Target(parameters="spectral").of(old)
    assert Target(n=5, layer_type="fourier").of(make_synapse("polynomial", n=3)).basis.weights == 5
