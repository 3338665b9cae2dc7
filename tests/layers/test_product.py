"""The product neuron."""

import pytest
import torch

from high_order_nets.kernels.product import _scaled, balanced_product, product_neuron
from high_order_nets.layers import Product


@pytest.mark.parametrize("count", [1, 2, 3, 7, 64])
def test_balanced_product_is_the_product(count: int) -> None:
    factors = torch.randn(5, count, dtype=torch.float64)
    torch.testing.assert_close(balanced_product(factors), factors.prod(-1))


@pytest.mark.parametrize("count", [3, 8])
def test_gradient_is_exact_where_factors_vanish(count: int) -> None:
    factors = torch.randn(4, count, dtype=torch.float64)
    factors[1, 0] = 0
    factors[2, :2] = 0
    factors.requires_grad_()
    (gradient,) = torch.autograd.grad(balanced_product(factors).sum(), factors)
    (expected,) = torch.autograd.grad(factors.prod(-1).sum(), factors)
    torch.testing.assert_close(gradient, expected)
    assert torch.autograd.gradgradcheck(balanced_product, (factors,))


def test_many_factors_neither_overflow_nor_vanish_half_way() -> None:
    huge, tiny = torch.full((2, 400), 1e3), torch.full((2, 400), 1e-3)
    torch.testing.assert_close(balanced_product(torch.cat([huge, tiny], 1)), torch.ones(2), rtol=1e-3, atol=0)
    assert balanced_product(huge).isinf().all()
    assert balanced_product(torch.tensor([1e20, 1e20, 1e-20, 1e-20])).item() == pytest.approx(1, rel=1e-5)
    assert balanced_product(torch.tensor([300.0, 300.0, 1 / 300, 1 / 300]).half()).item() == pytest.approx(1, rel=1e-2)


def test_scales_cost_no_digit() -> None:
    factors = torch.randint(-7, 8, (100, 9)).float()
    assert balanced_product(factors).equal(factors.prod(-1))  # integers below 2^24 · 2^k: every product is exact


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_scales_are_normal_numbers(dtype: torch.dtype) -> None:
    limits = torch.finfo(dtype)
    _, power = _scaled(torch.tensor([limits.max, limits.tiny, -limits.max], dtype=dtype))
    scales = torch.exp2(-power.to(dtype))  # a subnormal one would be 0 where the device flushes them
    assert scales.min() >= limits.tiny
    assert scales.isfinite().all()


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_definition(alpha: float) -> None:
    layer = Product(3, 2, alpha=alpha, dtype=torch.float64)
    x = torch.randn(4, 5, 3, dtype=torch.float64)
    f = x[..., None, :] * layer.weight[:, 0]
    assert layer.bias is not None
    expected = -1 + (1 + f).prod(-1) - (1 - alpha) * f.sum(-1) + layer.bias
    torch.testing.assert_close(layer(x), expected)


def test_alpha_0_takes_the_linear_part_out() -> None:
    f = torch.tensor([[1e-6, 2e-6]], dtype=torch.float64)
    assert product_neuron(f, 1.0).item() == pytest.approx(3e-6, rel=1e-3)
    assert abs(product_neuron(f, 0.0).item()) < 1e-11
