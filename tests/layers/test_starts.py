"""How functions start, by their formulas rather than by their variance alone."""

import math
from typing import Any

import pytest
import torch

from high_order_nets.layers import HighOrderConvTranspose1d, HighOrderLinear, high_order_fc_layers, make_synapse
from high_order_nets.layers.init import STARTS


def ones(*shape: int, **options: Any) -> torch.Tensor:
    return torch.ones(*shape, **options)


def test_a_mixed_start_is_a_line_and_a_bowl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "randn", ones)
    for length, x in ((2.0, torch.tensor([-1.0, 0, 1])), (8.0, torch.tensor([-4.0, 0, 4]))):
        weights, power = STARTS["mixed"](make_synapse("polynomial", n=3, scale=length), 2)
        bowl = torch.where(x.abs() <= 1, x * x / 2, x.abs() - 0.5)
        expected = (0.75 * x + 0.5 * bowl).double()
        torch.testing.assert_close(weights, expected[:, None].expand(3, 2))
        # E[x²] = 1; the parabola through the ends is b x², with E[x⁴] = 3
        b = float(bowl[0] / x[0] ** 2)
        assert power == pytest.approx((0.25 + 0.0625) + 0.25 * 3 * b * b, rel=1e-3)


@pytest.mark.parametrize(("init", "values"), [("linear", [-2.0, 0, 2]), ("relu", [0.0, 0, 2])])
def test_lines_and_ramps(init: str, values: list[float]) -> None:
    weights, power = STARTS[init](make_synapse("polynomial", n=3, scale=4.0), 2)
    assert weights[:, 0].tolist() == pytest.approx(values, abs=1e-12)
    # The parabola through the ramp's nodes is x/2 + x²/4: E = 1/4 + 3/16.
    assert power == pytest.approx(1.0 if init == "linear" else 7 / 16, rel=1e-3)


@pytest.mark.parametrize(
    ("activation", "options", "rms"),
    [
        ("silu", {"n": 3, "scale": 4.0}, 0.033),
        ("silu", {"n": 5, "scale": 5.0}, 0.0065),
        ("silu", {"layer_type": "continuous", "n": 2, "segments": 8, "scale": 6.0}, 0.019),
        ("relu", {"n": 3, "scale": 4.0}, 0.19),
        ("relu", {"layer_type": "continuous", "n": 2, "segments": 8, "scale": 6.0}, 0.0),
    ],
)
def test_how_far_an_interpolant_is_off_for_standard_normal_inputs(activation: str, options: Any, rms: float) -> None:
    """Domain linear: the tangents at its ends continue it. docs/layers.md has these figures."""
    synapse = make_synapse(**{"layer_type": "polynomial", "domain": "linear"} | options)
    weights, power = STARTS[activation](synapse, 3)
    assert weights.equal(weights[:, :1].expand(-1, 3))
    x = torch.linspace(-8, 8, 4001, dtype=torch.float64)
    density = torch.exp(-x * x / 2) / torch.exp(-x * x / 2).sum()
    values = weights[:, 0] @ synapse.functions(x)
    error = values - getattr(torch.nn.functional, activation)(x)
    assert float((error**2 * density).sum().sqrt()) == pytest.approx(rms, rel=0.02, abs=1e-9)
    assert power == pytest.approx(float((values**2 * density).sum()))


def test_a_start_as_silu_is_that_network() -> None:
    layer = HighOrderLinear(
        6, 4, "continuous", n=2, segments=8, scale=6.0, domain="linear", sharing="channel", init="silu", bias=True
    )
    x = 3 * (2 * torch.randint(0, 9, (50, 6)) / 8 - 1)  # the nodes, where it is SiLU
    expected = torch.nn.functional.linear(torch.nn.functional.silu(x), layer.weight, layer.bias)
    torch.testing.assert_close(layer(x), expected)


def test_without_a_line_a_constant() -> None:
    weights, power = STARTS["linear"](make_synapse("polynomial", n=1), 2)
    assert weights.tolist() == [[1.0, 1.0]]
    assert power == pytest.approx(1.0)


@pytest.mark.parametrize("base", ["relu", "identity"])
def test_a_base_branch_has_half_of_the_variance(base: str) -> None:
    layer = HighOrderLinear(400, 300, "polynomial", n=3, base=base)
    power = 0.5 if base == "relu" else 1.0  # E[b(x)²]
    assert layer.base_weight is not None
    assert float(layer.base_weight.detach().std()) == pytest.approx(math.sqrt(0.5 / (400 * power)), rel=0.01)
    slopes = (layer.weight[:, 2] - layer.weight[:, 0]).detach() / 2
    assert float(slopes.std()) == pytest.approx(math.sqrt(0.5 / 400), rel=0.01)


def test_what_rescale_output_divides_by_is_made_up_for() -> None:
    layer = HighOrderLinear(400, 300, "polynomial", n=3, rescale_output=True)
    slopes = (layer.weight[:, 2] - layer.weight[:, 0]).detach() / 2
    assert float(slopes.std()) == pytest.approx(math.sqrt(400), rel=0.01)


def test_shared_functions_that_are_drawn() -> None:
    layer = HighOrderLinear(400, 3, "polynomial", n=3, sharing="channel", init="uniform")
    assert layer.shape is not None
    assert 0.99 < float(layer.shape.detach().abs().max()) <= 1
    assert float(layer.shape.detach().mean()) == pytest.approx(0, abs=0.05)
    layer = HighOrderLinear(40, 3, "polynomial", n=3, init="uniform")
    assert 0.95 / 40 < float(layer.weight.detach().abs().max()) <= 1 / 40


@pytest.mark.parametrize("layer_type", ["polynomial", "fourier", "continuous"])
def test_random_constants_are_constants_of_mean_one_half(layer_type: str) -> None:
    with pytest.warns(UserWarning, match=r"^init=constant_random: no gradient passes such a layer at the start; init="):
        layer = HighOrderLinear(400, 50, layer_type, n=3, init="constant_random")
    y = layer(torch.linspace(-1, 1, 5)[:, None].expand(5, 400)).detach()
    torch.testing.assert_close(y, y[:1].expand(5, 50), atol=1e-5, rtol=0)
    assert float(y.mean()) == pytest.approx(0.5, abs=0.02)


def test_an_unknown_start_is_named() -> None:
    names = "linear, mixed, relu, silu, variance_preserving, constant_random, uniform"
    with pytest.raises(ValueError, match=f"^init='x': expected one of {names}$"):
        HighOrderLinear(2, 2, "polynomial", init="x")


def test_the_bias_takes_what_the_functions_of_spectral_layers_have_of_constants() -> None:
    layer = HighOrderLinear(3, 2, "polynomial", n=3, scale=4.0, parameters="spectral", init="relu")
    assert layer.bias is not None
    x = torch.zeros(1, 3)
    torch.testing.assert_close(layer(x).detach(), torch.zeros(1, 2), atol=1e-6, rtol=0)  # the ramp is 0 at 0
    slopes = layer(torch.full((1, 3), 2.0)).detach() - layer(torch.full((1, 3), -2.0)).detach()
    assert slopes.abs().min() > 0
    mean = HighOrderConvTranspose1d(2, 1, 3, "polynomial", n=3, stride=2, parameters="spectral", init="relu")
    assert mean.bias is not None
    assert mean.bias.abs().min() > 0


def test_products_alone_have_a_bias_unless_asked() -> None:
    for name, has_bias in (("product", True), ("polynomial", False), ("polynomial_prod", False)):
        assert (high_order_fc_layers(name, in_features=2, out_features=3).bias is not None) == has_bias
        assert high_order_fc_layers(name, in_features=2, out_features=3, bias=True).bias is not None
    assert high_order_fc_layers("product", in_features=2, out_features=3, bias=False).bias is None
