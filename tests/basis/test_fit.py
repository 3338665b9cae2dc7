"""The function of a space that is nearest to a given one."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from high_order_nets.basis.fit import nearest
from high_order_nets.layers import make_synapse

LINES = [("polynomial", {"n": 2}), ("polynomial", {"n": 6}), ("continuous", {"n": 2, "segments": 3})]
LINES += [("discontinuous", {"n": 3, "segments": 2}), ("crelu", {})]


@pytest.mark.parametrize(("layer_type", "sizes"), LINES, ids=str)
@pytest.mark.parametrize("domain", ["extrapolate", "linear", "slopes"])
def test_a_line_is_found_where_there_is_one(layer_type: str, sizes: dict, domain: str) -> None:
    synapse = make_synapse(layer_type, scale=3.0, domain=domain, **sizes)
    fit = nearest(synapse, lambda x: 0.5 * x)
    assert fit.exact
    x = torch.linspace(-6, 6, 101, dtype=torch.float64)
    torch.testing.assert_close(fit.weights[:, 0] @ synapse.functions(x), 0.5 * x, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(
    ("layer_type", "sizes", "exact"),
    [
        ("continuous", {"n": 2, "segments": 2}, True),
        ("discontinuous", {"n": 3, "segments": 4}, True),
        ("crelu", {}, True),
        ("continuous", {"n": 2, "segments": 3}, False),  # no knot at 0
        ("polynomial", {"n": 8}, False),
    ],
)
def test_a_relu_needs_a_knot_at_zero(layer_type: str, sizes: dict, exact: bool) -> None:
    fit = nearest(make_synapse(layer_type, scale=4.0, domain="linear", **sizes), torch.relu)
    assert fit.exact == exact


def test_what_is_not_there_is_met_by_least_squares() -> None:
    """A sine of period 4 beside x ~ N(0, 1): E[x sin ωx] = ω exp(-ω²/2), E[sin² ωx] = (1 - exp(-2ω²)) / 2."""
    fit = nearest(make_synapse("fourier", n=2, scale=4.0), lambda x: x)
    omega = torch.tensor(torch.pi / 2, dtype=torch.float64)
    product, power = omega * torch.exp(-(omega**2) / 2), (1 - torch.exp(-2 * omega**2)) / 2
    assert float(fit.weights[1, 0]) == pytest.approx(float(product / power), rel=1e-2)  # of x beyond 4 there is nothing
    assert fit.error == pytest.approx(float(1 - product**2 / power) ** 0.5, rel=1e-2)


def test_each_channel_has_its_interval() -> None:
    """u = (x - centre) · factor, so that x = u/factor + centre."""
    synapse = make_synapse("polynomial", n=3, scale=4.0)
    fit = nearest(synapse, lambda x: x, torch.tensor([[0.0, 2.0], [1.0, 0.5]]))
    assert fit.weights.shape == (3, 2)
    torch.testing.assert_close(fit.weights.T, torch.tensor([[-2.0, 0.0, 2.0], [-2.0, 2.0, 6.0]], dtype=torch.float64))


@pytest.mark.parametrize(("base", "f"), [("identity", lambda x: x), ("relu", torch.relu)])
def test_a_base_branch_helps_where_the_functions_alone_cannot(base: str, f: Callable[[Tensor], Tensor]) -> None:
    fit = nearest(make_synapse("fourier", n=3, scale=4.0, domain="tanh", base=base), f)
    assert fit.exact
    assert float(fit.base[0]) == pytest.approx(1)
    alone = nearest(make_synapse("continuous", n=2, segments=2, scale=4.0, base=base), f)
    assert alone.exact
    assert alone.base.tolist() == [0.0]
