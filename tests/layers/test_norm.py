"""The norms without parameters."""

import torch

from high_order_nets.layers import L2, MaxAbs, MaxCenter


def test_max_abs_is_per_sample() -> None:
    x = torch.randn(3, 4, 5, 5) * torch.tensor([1.0, 10.0, 100.0]).view(3, 1, 1, 1)
    torch.testing.assert_close(MaxAbs()(x).abs().amax((1, 2, 3)), torch.ones(3), rtol=1e-4, atol=0)
    torch.testing.assert_close(MaxAbs()(x[1:]), MaxAbs()(x)[1:])


def test_max_center_fills_the_interval() -> None:
    y = MaxCenter()(torch.rand(3, 8) + 5)
    torch.testing.assert_close(y.amax(1), torch.ones(3), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(y.amin(1), -torch.ones(3), rtol=1e-4, atol=1e-4)


def test_l2_is_over_channels() -> None:
    y = L2()(torch.randn(2, 8, 4, 4))
    torch.testing.assert_close(y.norm(dim=1), torch.ones(2, 4, 4))


def test_features_last() -> None:
    x = torch.randn(2, 6, 8)
    torch.testing.assert_close(MaxAbs(features_last=True)(x).abs().amax(-1), torch.ones(2, 6), rtol=1e-4, atol=0)


def test_zero_stays_zero() -> None:
    for norm in (MaxAbs(), MaxCenter(), L2()):
        assert norm(torch.zeros(2, 3, 4, 4)).eq(0).all()
