"""Coordinates as inputs, and functions of several of them at once."""

import math

import pytest
import torch

from high_order_nets.layers import FourierFeatures, HighOrderTensorProduct, Sinusoidal, make_synapse, mesh, rotated


def test_a_mesh_has_the_middles_of_its_cells() -> None:
    points = mesh((2, 4), dtype=torch.float64)
    assert points[:5].tolist() == [[-0.5, -0.75], [-0.5, -0.25], [-0.5, 0.25], [-0.5, 0.75], [0.5, -0.75]]
    assert mesh((3, 4, 5)).shape == (60, 3)
    with pytest.raises(ValueError, match=r"shape=\(2, 0\)"):
        mesh((2, 0))


def test_turned_axes_stay_inside() -> None:
    points = mesh((9, 9), dtype=torch.float64)
    turned = rotated(points, 3)
    assert turned.shape == (81, 6)
    torch.testing.assert_close(turned[:, :2], points)
    assert turned.abs().max() <= 1
    corner = rotated(torch.tensor([[1.0, 1.0]], dtype=torch.float64), 2)
    torch.testing.assert_close(corner, torch.tensor([[1.0, 1.0, 1.0, 0.0]], dtype=torch.float64))
    with pytest.raises(ValueError, match=r"expected \(…, 2\)"):
        rotated(torch.zeros(4, 3), 2)


def test_waves_of_positions() -> None:
    waves = Sinusoidal(6, longest=100.0)(torch.tensor([0, 3]))
    angles = torch.tensor([3.0, 0.3, 0.03])
    torch.testing.assert_close(
        waves, torch.stack([torch.tensor([0, 0, 0, 1.0, 1, 1]), torch.cat([angles.sin(), angles.cos()])])
    )
    features = FourierFeatures(2, 8, deviation=3.0)
    x = torch.rand(5, 2)
    turns = 2 * math.pi * x @ features.frequencies.T
    torch.testing.assert_close(features(x), torch.cat([turns.cos(), turns.sin()], -1))
    assert set(features.state_dict()) == {"frequencies"}
    for make in (lambda: Sinusoidal(5), lambda: FourierFeatures(2, 3)):
        with pytest.raises(ValueError, match="expected an even number"):
            make()


@pytest.mark.parametrize("inputs", [2, 3])
@pytest.mark.parametrize("layer_type", ["polynomial", "continuous", "discontinuous", "fourier"])
def test_a_product_is_the_sum_over_the_grid(layer_type: str, inputs: int) -> None:
    layer = HighOrderTensorProduct(inputs, 3, layer_type, n=3, segments=2, dtype=torch.float64)
    torch.nn.init.normal_(layer.weight)
    x = torch.rand(4, 5, inputs, dtype=torch.float64) * 2 - 1
    values = [layer.synapse.basis.functions(part) for part in x.unbind(-1)]  # (M, 4, 5) each
    letters = "jkl"[:inputs]
    expected = torch.einsum(f"o{letters},{','.join(f'{each}ab' for each in letters)}->abo", layer.weight, *values)
    torch.testing.assert_close(layer(x), expected)


def test_a_product_of_inputs_is_exact_and_starts_as_a_plane() -> None:
    layer = HighOrderTensorProduct(2, 1, "polynomial", n=2, dtype=torch.float64)
    x = torch.rand(50, 2, dtype=torch.float64) * 2 - 1
    slopes = torch.linalg.lstsq(x, layer(x).detach()).solution
    torch.testing.assert_close(x @ slopes, layer(x))
    nodes = torch.tensor([-1.0, 1.0], dtype=torch.float64)
    layer.weight.data = (nodes[:, None] * nodes)[None]
    torch.testing.assert_close(layer(x)[:, 0], x.prod(1))
    wide = HighOrderTensorProduct(3, 4000, "polynomial", n=3, scale=8.0)
    assert float(wide(torch.randn(500, 3)).detach().std()) == pytest.approx(1, rel=0.1)
    assert torch.autograd.gradcheck(layer, x[:4].requires_grad_())


def test_other_products_are_refused() -> None:
    for options, message in (({"parameters": "spectral"}, "expected nodal"), ({"base": "silu"}, "expected nodal")):
        with pytest.raises(ValueError, match=message):
            HighOrderTensorProduct(2, 1, make_synapse("polynomial", **options))
    with pytest.raises(ValueError, match="in_features=4: expected 2 or 3"):
        HighOrderTensorProduct(4, 1, "polynomial")
    with pytest.raises(ValueError, match=r"expected \(…, 2\)"):
        HighOrderTensorProduct(2, 1, "polynomial")(torch.zeros(3))
