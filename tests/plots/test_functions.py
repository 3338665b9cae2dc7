"""The functions that are drawn are those that the layer computes."""

import pytest
import torch
from torch import nn

from high_order_nets.layers import HighOrderConv2d, HighOrderLinear, make_synapse
from high_order_nets.plots.functions import learned_functions, to_inputs

BASES = [("polynomial", 3), ("polynomial", 1), ("continuous", 3), ("discontinuous", 2), ("fourier", 4), ("crelu", 2)]


@pytest.mark.parametrize("parameters", ["nodal", "spectral"])
@pytest.mark.parametrize("domain", ["extrapolate", "tanh", "linear"])
@pytest.mark.parametrize(("family", "n"), BASES)
def test_functions_are_the_layers_own(family: str, n: int, domain: str, parameters: str) -> None:
    segments = 3 if n > 1 else 1
    synapse = make_synapse(family, n=n, segments=segments, domain=domain, parameters=parameters, init="uniform")
    layer = HighOrderLinear(1, 5, synapse, dtype=torch.float64)
    x = torch.linspace(-2, 2, 17, dtype=torch.float64)
    expected = layer(x[:, None]).T - (0 if layer.bias is None else layer.bias[:, None])
    assert torch.allclose(learned_functions(layer, 100)(x), expected, atol=1e-12)


@pytest.mark.parametrize("options", [{"sharing": "channel"}, {"sharing": 2}, {"base": "silu", "rescale_output": True}])
@pytest.mark.parametrize("parameters", ["nodal", "spectral"])
def test_shared_functions_and_base_branches_are_drawn_as_they_are(options: dict, parameters: str) -> None:
    synapse = make_synapse("polynomial", n=4, parameters=parameters, init="uniform", **options)
    layer = HighOrderLinear(2, 3, synapse, dtype=torch.float64)
    x = torch.linspace(-2, 2, 5, dtype=torch.float64)
    functions = learned_functions(layer, 100)
    per_neuron = functions(x).view(3, 2, 5).sum(1)
    expected = layer(x[:, None].expand(5, 2)).T - (0 if layer.bias is None else layer.bias[:, None])
    assert torch.allclose(per_neuron, expected, atol=1e-12)
    nodes = functions.nodes()
    assert nodes is not None
    assert torch.allclose(functions(nodes[0]), nodes[1], atol=1e-12)


@pytest.mark.parametrize("domain", ["extrapolate", "clamp", "tanh"])
@pytest.mark.parametrize("family", ["polynomial", "continuous", "discontinuous"])
def test_nodes_lie_on_the_functions(family: str, domain: str) -> None:
    synapse = make_synapse(family, n=3, segments=2, domain=domain)
    layer = HighOrderConv2d(2, 3, 3, synapse)
    functions = learned_functions(layer, 1000)
    nodes = functions.nodes()
    assert nodes is not None
    x, values = nodes
    assert functions.total == 2 * 3 * 9 == len(values)
    assert torch.allclose(values, layer.weight.double().flatten(2).movedim(1, 2).flatten(0, 1), atol=1e-6)
    assert int(x.isinf().sum()) == (2 if domain == "tanh" else 0)
    smooth = x.isfinite() & torch.tensor([not torch.isclose(functions.jumps(), node).any() for node in x])
    assert torch.allclose(functions(x[smooth]), values[:, smooth], atol=1e-6)


def test_nodes_that_a_mirrored_input_never_reaches_are_left_out() -> None:
    layer = HighOrderLinear(2, 2, make_synapse("polynomial", n=5, scale=4.0, periodicity=2.0))
    nodes = learned_functions(layer, 4).nodes()
    assert nodes is not None
    assert len(nodes[0]) == 1  # 0; the next ones lie at ±√2


def test_an_ordinary_layers_functions_are_lines() -> None:
    layer = nn.Conv2d(3, 4, 2)
    functions = learned_functions(layer, 1000)
    assert functions.nodes() is None
    assert torch.allclose(
        functions(torch.tensor([2.0], dtype=torch.float64)).flatten().float(), 2 * layer.weight.flatten()
    )


def test_few_of_many_are_drawn_always_the_same_and_quietly() -> None:
    layer = HighOrderLinear(64, 64, make_synapse("polynomial", n=3))
    before = torch.get_rng_state()
    functions = learned_functions(layer, 10)
    assert functions.total == 4096
    assert functions.coefficients.shape == (10, 3)
    assert learned_functions(layer, 10).coefficients.equal(functions.coefficients)
    assert torch.get_rng_state().equal(before)


def test_tanh_brings_points_back_to_inputs() -> None:
    synapse = make_synapse("polynomial", scale=4.0, domain="tanh")
    points = torch.tensor([-2.0, -1.0, 0.0, 2.0], dtype=torch.float64)
    inputs = to_inputs(synapse, points)
    assert inputs[[0, -1]].tolist() == [-torch.inf, torch.inf]
    assert torch.allclose(2 * torch.tanh(inputs / 2), points)
