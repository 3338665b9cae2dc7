"""Dropout from few random bits."""

import pytest
import torch

from high_order_nets.models.dropout import Dropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_so_many_are_dropped_and_the_rest_scaled(p: float, dtype: torch.dtype) -> None:
    x = torch.ones(101, 1001, dtype=dtype, requires_grad=True)
    y = Dropout(p)(x)
    assert y.dtype == dtype
    kept = y.detach() != 0
    assert float(kept.double().mean()) == pytest.approx(1 - p, abs=0.005)
    assert float(kept.double().mean(0).std()) == pytest.approx((p * (1 - p) / 101) ** 0.5, rel=0.1)
    torch.testing.assert_close(y[kept].double(), torch.full_like(y[kept], 1 / (1 - p)).double(), rtol=1e-2, atol=0)
    y.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, y)


def test_a_seed_decides_and_evaluation_drops_nothing() -> None:
    x, layer = torch.randn(7, 3), Dropout(0.3)
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(layer(x))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert torch.equal(layer.eval()(x), x)
    assert torch.equal(Dropout(0.0)(x), x)
    assert not Dropout(1.0)(x).any()
