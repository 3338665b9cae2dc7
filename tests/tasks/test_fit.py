"""fit: a program's own numbers, in a few lines."""

import pytest
import torch

import high_order_nets
from high_order_nets.errors import Diverged, UserError
from high_order_nets.models.mlp import HighOrderMLP

X = torch.rand(200, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 5 + 7
Y = torch.stack([100 * X[:, 0] * X[:, 1], X.sum(1).sin()], 1)


def network(**options) -> HighOrderMLP:
    sizes = {"in_width": 2, "out_width": 2, "hidden_width": 4, "n": 3, "dtype": torch.float64}
    return HighOrderMLP("polynomial", **(sizes | options))


def test_numbers_are_fitted_in_their_own_units() -> None:
    net = network()
    found = high_order_nets.fit(net, X, Y, steps=30, refine=[{"n": 5}])
    assert found.net is net
    assert net.layers[0].weight.shape == (4, 5, 2)
    error = (found(X) - Y).detach()
    assert (error.std(0) < 0.05 * Y.std(0)).all()
    assert (found.inputs, found.outputs) == (("x0", "x1"), ("y0", "y1"))
    assert not found.training
    assert float(found.scaling[0](X).abs().max()) == pytest.approx(1)
    with pytest.raises(ValueError, match=r"expected floats \(…, 2\)"):
        found(X[:, :1])


def test_a_network_is_aligned_with_the_points() -> None:
    net = network(scale="auto")
    found = high_order_nets.fit(net, X, Y, steps=0)
    seen = net.layers[0].localised(found.scaling[0](X))
    assert float(seen.square().mean()) == pytest.approx(1)


def test_a_refinement_goes_on_from_the_functions_there_are() -> None:
    refined, plain = network(), network()
    refined.load_state_dict(plain.state_dict())
    after = high_order_nets.fit(refined, X, Y, steps=[5, 0], refine=[{"n": 4}])
    torch.testing.assert_close(after(X), high_order_nets.fit(plain, X, Y, steps=5)(X))


@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        (X[:3], Y, {}, "x .3, 2. and y .200, 2.: expected"),
        (X[:, 0], Y, {}, "expected .N, inputs."),
        (X, Y * torch.nan, {}, "expected finite numbers"),
        (X, Y, {"steps": [1, 2, 3]}, "expected one for each stage, and refine has 1"),
        (X, Y, {"steps": 1, "refine": [{"n": 2}]}, "is not exact"),
    ],
)
def test_bad_points_are_refused(x, y, options, message) -> None:
    with pytest.raises(UserError, match=message):
        high_order_nets.fit(network(), x, y, **options)


def test_an_error_that_is_not_finite_is_told() -> None:
    net = network(domain="extrapolate", n=9)
    with torch.no_grad():
        net.layers[1].weight.mul_(1e300)
    with pytest.raises(Diverged, match="domain=tanh may help"):
        high_order_nets.fit(net, X, Y, steps=2)
