"""SIREN starts as its paper says, and coordinates see what they should."""

import math

import pytest
import torch
from torch import nn

from high_order_nets.errors import UserError
from high_order_nets.layers import rotated
from high_order_nets.models.coordinates import Coordinates
from high_order_nets.models.siren import Sine, siren


def test_siren_starts_with_waves_of_deviation_one() -> None:
    torch.manual_seed(0)
    net = siren(2, 3, hidden_width=512, hidden_layers=3)
    first, *others = [layer for layer in net if isinstance(layer, nn.Linear)]
    assert 0.49 < float(first.weight.detach().abs().max()) <= 0.5
    bound = math.sqrt(6 / 512) / 30
    for layer in others:
        assert float(layer.weight.detach().abs().max()) <= bound
        assert float(layer.weight.detach().std()) == pytest.approx(bound / math.sqrt(3), rel=0.05)
    x = torch.rand(2000, 2) * 2 - 1
    with torch.inference_mode():
        for place, layer in enumerate(net):
            x = layer(x)
            if place and isinstance(layer, nn.Linear) and len(layer.weight) > 3:
                assert float((30 * x).std()) == pytest.approx(1.0, rel=0.25)  # but for biases, which are torch's
            if isinstance(layer, Sine):
                assert float(x.abs().max()) <= 1
    assert x.shape == (2000, 3)


def test_siren_by_hand() -> None:
    net = siren(1, 1, hidden_width=1, hidden_layers=1, omega=2.0)
    for parameter, value in zip(net.parameters(), (0.5, 0.1, 3.0, 0.2), strict=True):
        nn.init.constant_(parameter, value)
    assert net(torch.tensor([[0.7]])).item() == pytest.approx(3 * math.sin(2 * (0.35 + 0.1)) + 0.2)
    with pytest.raises(UserError, match="hidden_layers=0: expected at least 1"):
        siren(1, 1, hidden_layers=0)


def test_coordinates_turn_and_wave() -> None:
    x = torch.rand(5, 2)
    torch.testing.assert_close(Coordinates(2, rotations=3)(x), rotated(x, 3))
    assert Coordinates(2)(x) is x
    both = Coordinates(2, rotations=3, waves=8, deviation=2.0)
    assert both(x).shape == (5, both.width) == (5, 8)
    with pytest.raises(UserError, match=r"coordinates\.rotations=3: turns two inputs, and there are 1"):
        Coordinates(1, rotations=3)
