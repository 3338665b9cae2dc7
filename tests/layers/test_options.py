"""What each option of a layer does to its output, to its gradients and to their dtypes."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from high_order_nets.kernels import dense
from high_order_nets.kernels.dense import PIECE, _plus, _summed, rows_of_a_piece
from high_order_nets.kernels.expansion import Expansion
from high_order_nets.kernels.product import balanced_product, product_neuron
from high_order_nets.layers import (
    L2,
    HighOrderConv2d,
    HighOrderConvTranspose2d,
    HighOrderLinear,
    HighOrderProduct,
    MaxAbs,
    MaxCenter,
    make_synapse,
)


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_a_bias_is_one_number_a_channel() -> None:
    for kind in (HighOrderConv2d, HighOrderConvTranspose2d):
        for padding in (0, 1):
            layer = kind(2, 3, 3, "polynomial", bias=True, padding=padding)
            without = kind(2, 3, 3, "polynomial", padding=padding)
            without.load_state_dict(layer.state_dict(), strict=False)
            with torch.no_grad():
                layer.bias.copy_(torch.tensor([1.0, 2, 3]))
            x = torch.randn(2, 2, 5, 5)
            torch.testing.assert_close(
                layer(x) - without(x), torch.tensor([1.0, 2, 3])[:, None, None].expand_as(layer(x))
            )


@pytest.mark.parametrize("kind", [HighOrderConv2d, HighOrderConvTranspose2d])
def test_layers_are_made_where_they_are_asked_for(kind: Any) -> None:
    layer = kind(2, 3, 3, "polynomial", bias=True, sharing="channel", base="relu", device="meta", dtype=torch.float64)
    assert {(p.device.type, p.dtype) for p in layer.parameters()} == {("meta", torch.float64)}
    with pytest.raises(TypeError, match=f"^{kind.__name__}"):
        kind(2, 3, 3, "polynomial", strides=2)
    assert "output_padding" not in repr(kind(2, 3, 3, "polynomial", stride=2))


def test_noise_and_dropout_are_for_training_alone() -> None:
    x = torch.ones(4000, 1)
    choices: tuple[dict[str, Any], ...] = ({"noise": 0.5}, {"dropout": 0.25})
    for options in choices:
        layer = HighOrderLinear(1, 1, "polynomial", n=2, scale=2.0, **options)
        with torch.no_grad():
            layer.weight.copy_(torch.tensor([-1.0, 1.0]).view(1, 2, 1))  # f(x) = x
        assert layer.eval()(x).eq(1).all()
        y = layer.train()(x).detach()
        if "noise" in options:
            assert float(y.mean()) == pytest.approx(1, abs=0.05)
            assert float(y.std()) == pytest.approx(0.5, rel=0.05)
        else:
            assert y.unique().tolist() == [0.0, pytest.approx(4 / 3)]
            assert float(y.eq(0).float().mean()) == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize(("parameters", "constants"), [("nodal", True), ("spectral", False)])
@pytest.mark.parametrize("rescale", [False, True])
def test_coefficients_are_those_of_the_functions(parameters: str, constants: bool, rescale: bool) -> None:
    layer = HighOrderLinear(2, 1, "polynomial", n=3, parameters=parameters, rescale_output=rescale, dtype=torch.float64)
    with torch.no_grad():  # x² and 2 x² - 1 = T_2: T_0/2 + T_2/2 and T_2
        values = column(1, 0, 1, 1, -1, 1).view(1, 2, 3).mT if parameters == "nodal" else column(0, 0.5, 0, 1)
        layer.weight.copy_(values if parameters == "nodal" else values.view(1, 2, 2).mT)
    a_0, a = layer.coefficients()
    divisor = 2 if rescale else 1
    torch.testing.assert_close(a.detach(), column(0, 0, 0.5, 1).view(1, 2, 2) / divisor)
    assert (a_0 is None) == (not constants)
    if a_0 is not None:
        torch.testing.assert_close(a_0.detach(), column(0.5, 0).view(1, 2) / divisor)


def test_the_transform_is_not_rounded_under_autocast() -> None:
    layer = HighOrderLinear(8, 4, "polynomial", n=5)
    _, expected = layer.coefficients()
    with torch.autocast("cpu"):
        _, found = layer.coefficients()
    assert found.dtype == torch.float32
    assert found.equal(expected)


def test_many_segments_round_as_few_do_under_autocast() -> None:
    layer, x = HighOrderLinear(4, 3, "continuous", n=2, segments=16), torch.rand(5, 4) * 2 - 1
    with torch.autocast("cpu"):
        y = layer(x)
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), layer(x), atol=0.05, rtol=0.05)
    wide = layer.bfloat16()(x.bfloat16())
    assert wide.dtype == torch.bfloat16


def test_plain_operations_round_as_the_kernel_does() -> None:
    for layer in (HighOrderLinear(4, 3, "polynomial"), HighOrderLinear(4, 3, "polynomial", parameters="spectral")):
        half, x = layer.bfloat16(), torch.randn(5, 4).bfloat16()
        y = torch.func.vmap(lambda one, half=half: half(one[None])[0])(x)
        assert y.dtype == torch.bfloat16
        torch.testing.assert_close(y, half(x))
        grad = torch.randn(5, 3).bfloat16()
        seen = x.clone().requires_grad_()
        expected = torch.autograd.grad(half(seen), seen, grad)[0]
        found = torch.autograd.grad(half(seen), seen, grad, create_graph=True)[0]
        torch.testing.assert_close(found, expected, atol=0.02, rtol=0.05)


@pytest.mark.parametrize("options", [{"sharing": "channel"}, {"sharing": 2, "base": "silu"}, {"bias": True}], ids=str)
def test_pieces_add_up_what_they_say_of_shared_functions(options: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = HighOrderConv2d(4, 3, 2, "polynomial", dtype=torch.float64, **options)
    x = torch.randn(5, 4, 3, 3, dtype=torch.float64, requires_grad=True)
    seed = torch.randn(5, 3, 2, 2, dtype=torch.float64)
    inputs = [x, *layer.parameters()]
    whole = torch.autograd.grad(layer(x), inputs, seed)
    monkeypatch.setattr(dense, "rows_of_a_piece", lambda *_: 2)
    for found, expected in zip(torch.autograd.grad(layer(x), inputs, seed), whole, strict=True):
        torch.testing.assert_close(found, expected)


def test_pieces_are_bounded_by_the_kernel_or_by_a_budget() -> None:
    budget = PIECE["cpu"]
    assert rows_of_a_piece(torch.zeros(10, 4), torch.zeros(3, 2, 4)) == budget // (4 * 2)
    assert rows_of_a_piece(torch.zeros(10, 4, 5), torch.zeros(3, 6, 4)) == budget // (4 * 5 * 6)
    kernel = torch.zeros(1).expand(budget, 2, 4)
    assert rows_of_a_piece(torch.zeros(10, 4), kernel) == budget
    assert rows_of_a_piece(torch.zeros(1).expand(10, budget), torch.zeros(1, 2, 1)) == 1
    assert rows_of_a_piece(torch.zeros(0, 4), torch.zeros(3, 2, 4)) == budget


def test_sums_are_in_float32_or_better() -> None:
    part = torch.full((2,), 0.001, dtype=torch.bfloat16)
    total = _plus(None, part)
    assert total is not None
    assert total.dtype == torch.float32
    assert _plus(total, None) is total
    assert float(_plus(torch.ones(2), part)[0]) == pytest.approx(1.001, abs=1e-5)  # type: ignore[index]
    grad = torch.full((3000, 2, 2), 0.01, dtype=torch.bfloat16)
    expected = 3000 * float(grad[0, 0, 0])
    assert float(_summed(grad, torch.zeros(2))[0]) == pytest.approx(2 * expected, rel=1e-4)
    assert _summed(grad, torch.zeros(1, 2, 2)).shape == (1, 2, 2)
    assert float(_summed(grad, torch.zeros(1, 2, 2))[0, 0, 0]) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("mixture", [None, torch.linspace(-1, 1, 12).view(4, 3)], ids=["own", "shared"])
def test_gradients_of_half_precision_are_computed_in_float32(mixture: Tensor | None) -> None:
    synapse, x = make_synapse("polynomial", n=4, base="silu"), torch.randn(500, 3).half()
    grad = torch.randn(500, 12 if mixture is None else 6).half()
    ours = Expansion(synapse, 1, x, mixture).pullback(grad, True)
    wide = Expansion(synapse, 1, x.float(), mixture).pullback(grad.float(), True)
    assert wide[0] is not None
    torch.testing.assert_close(ours[0], wide[0].half(), rtol=0, atol=0)
    torch.testing.assert_close(ours[1], wide[1], rtol=0, atol=0)


def test_piecewise_constants_have_gradients_with_a_graph_too() -> None:
    layer, x = HighOrderLinear(2, 3, "discontinuous", n=1, segments=3), torch.randn(5, 2, requires_grad=True)
    y = layer(x)
    asked = {"inputs": (x, layer.weight), "grad_outputs": torch.randn_like(y), "allow_unused": True}
    _, expected = torch.autograd.grad(y, retain_graph=True, **asked)
    _, found = torch.autograd.grad(y, create_graph=True, **asked)
    torch.testing.assert_close(found, expected)


# --- norms


def test_norms_divide_by_what_they_find_and_a_little_more() -> None:
    x = torch.tensor([[3.0, -5.0, 1.0]])
    torch.testing.assert_close(MaxAbs(eps=1.0)(x), x / 6)
    torch.testing.assert_close(MaxCenter(eps=1.0)(x), (x + 1) / 5)  # the midrange is -1, half the range 4
    torch.testing.assert_close(L2(eps=1.0)(x), x / (35**0.5 + 1))
    for norm in (MaxAbs, MaxCenter, L2):
        assert norm()(torch.full((1, 3), 1e-6)).max() < 1
        assert norm()(torch.zeros(1, 3)).eq(0).all()
        assert repr(norm(eps=0.5)) == f"{norm.__name__}(eps=0.5)"


def test_axes_of_a_sample() -> None:
    image = torch.zeros(2, 3, 4, 5)
    for norm, axes in ((MaxAbs, (1, 2, 3)), (MaxCenter, (1, 2, 3)), (L2, (1,))):
        assert norm().axes(image) == axes
        assert norm(features_last=True).axes(image) == (-1,)
        assert norm().axes(image[:, :, 0, 0]) == (-1,)


# --- products


def test_a_product_neuron_by_hand() -> None:
    f = column(1, 2, 3)
    assert float(product_neuron(f, 1.0)) == pytest.approx(2 * 3 * 4 - 1)
    assert float(product_neuron(f, 0.0)) == pytest.approx(2 * 3 * 4 - 1 - 6)
    assert float(product_neuron(f, 0.5)) == pytest.approx(2 * 3 * 4 - 1 - 3)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_products_of_huge_and_tiny_factors(count: int) -> None:
    factors = torch.tensor([2.0**120, 2.0**-120] * count + [3.0])
    assert float(balanced_product(factors)) == 3.0
    assert float(balanced_product(-factors)) == -3.0
    assert float(balanced_product(torch.tensor([2.0**100] * 2))) == float("inf")
    assert float(balanced_product(torch.tensor([2.0**-70, 2.0**-75]))) == 2.0**-145  # a subnormal number


@pytest.mark.parametrize("bias", [False, True])
def test_a_base_branch_is_added_to_the_neuron(bias: bool) -> None:
    layer = HighOrderProduct(3, 2, "polynomial", n=2, base="relu", bias=bias, alpha=0.5, dtype=torch.float64)
    assert layer.base_weight is not None
    slopes = torch.randn(2, 3, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(torch.stack([-slopes, slopes], 1))
        if layer.bias is not None:
            layer.bias.copy_(column(1, 2))
    x = torch.randn(4, 3, dtype=torch.float64)
    f = slopes * x[:, None]
    expected = (1 + f).prod(-1) - 1 - 0.5 * f.sum(-1) + F.linear(x.relu(), layer.base_weight, layer.bias)
    torch.testing.assert_close(layer(x), expected)
