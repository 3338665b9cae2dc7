"""How much functions bend: second differences against values of the functions, degrees against their definition."""

import pytest
import torch
from torch import Tensor

from high_order_nets.basis import ContinuousPiecewise, DiscontinuousPiecewise, Fourier, Polynomial
from high_order_nets.basis.base import Basis
from high_order_nets.layers import HighOrderLinear, Synapse
from high_order_nets.layers.bending import degrees, roughness, second_differences

BASES = (
    Polynomial(5, 3.0),
    ContinuousPiecewise(3, 4, 2.0),
    DiscontinuousPiecewise(2, 3, 2.0),
    Fourier(4, 2.0),
)


def shared(basis: Basis, parameters: str, sharing: str | int = "channel") -> HighOrderLinear:
    synapse = Synapse(basis, sharing=sharing, parameters=parameters, init="mixed")
    return HighOrderLinear(4, 3, synapse, dtype=torch.float64)


def by_values(layer: HighOrderLinear) -> Tensor:
    """The same from the values of the functions, point by point."""
    assert layer.shape is not None
    basis, shape = layer.synapse.basis, layer.shape if layer.master is None else layer.master + 0.5 * layer.shape
    count = 2 * basis.weights + 1 if isinstance(basis, Fourier) else basis.weights
    t = torch.linspace(-basis.length / 2, basis.length / 2, count, dtype=torch.float64)
    spectral = layer.synapse.parameters == "spectral"
    values = shape.T @ (torch.stack(basis.terms(t)) if spectral else basis.functions(t))
    return sum(abs(v[j + 1] - 2 * v[j] + v[j - 1]) for v in values for j in range(1, count - 1))  # type: ignore[return-value]


@pytest.mark.parametrize("sharing", [1, 2, "channel", "deviation"])
@pytest.mark.parametrize("parameters", ["nodal", "spectral"])
@pytest.mark.parametrize("basis", BASES, ids=str)
def test_roughness_is_that_of_the_functions(basis: Basis, parameters: str, sharing: str | int) -> None:
    layer = shared(basis, parameters, sharing)
    found = roughness(layer)
    assert found is not None
    torch.testing.assert_close(found, by_values(layer), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("basis", [ContinuousPiecewise(2, 4, 6.0), Polynomial(3, 4.0)], ids=str)
def test_it_is_the_second_difference_of_evenly_spaced_nodal_values(basis: Basis) -> None:
    expected = torch.eye(basis.weights, dtype=torch.float64).diff(n=2, dim=0)
    torch.testing.assert_close(second_differences(basis, spectral=False), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("parameters", ["nodal", "spectral"])
@pytest.mark.parametrize("basis", [Polynomial(1), Polynomial(2), ContinuousPiecewise(2, 4), Polynomial(4)], ids=str)
def test_a_line_is_smooth(basis: Basis, parameters: str) -> None:
    synapse = Synapse(basis, sharing="channel", parameters=parameters)
    found = roughness(HighOrderLinear(4, 3, synapse, dtype=torch.float64))
    assert found is not None
    assert abs(found.item()) < 1e-13


def test_a_function_a_connection_has_none() -> None:
    assert roughness(HighOrderLinear(2, 1, Synapse(Polynomial(3)))) is None


@pytest.mark.parametrize("parameters", ["nodal", "spectral"])
def test_its_gradient(parameters: str) -> None:
    layer = shared(ContinuousPiecewise(3, 2, 2.0), parameters)
    assert layer.shape is not None
    torch.nn.init.normal_(layer.shape)
    (found,) = torch.autograd.grad(roughness(layer), layer.shape)  # type: ignore[arg-type]
    steps = torch.zeros_like(layer.shape)
    for place in range(layer.shape.numel()):
        for sign in (1, -1):
            with torch.no_grad():
                layer.shape.view(-1)[place] += sign * 1e-6
                steps.view(-1)[place] += sign * roughness(layer) / 2e-6  # type: ignore[operator]
                layer.shape.view(-1)[place] -= sign * 1e-6
    torch.testing.assert_close(found, steps, rtol=1e-6, atol=1e-6)


def test_half_precision_around_it_changes_nothing() -> None:
    layer = HighOrderLinear(4, 3, Synapse(Polynomial(5), sharing="channel", init="mixed"))
    with torch.autocast("cpu", torch.bfloat16):
        assert roughness(layer).equal(roughness(layer.float()))  # type: ignore[union-attr]
        assert roughness(layer).dtype == torch.float32  # type: ignore[union-attr]


def test_degrees() -> None:
    assert degrees(Polynomial(5)) == [1, 2, 3, 4]
    assert degrees(Fourier(6)) == [1, 1, 2, 2, 3]  # sin θ, cos θ, sin 2θ, cos 2θ, sin 3θ
