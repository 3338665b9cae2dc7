"""HighOrderActivation is φ_c(x_c), and takes part in all that layers with shared functions do."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from high_order_nets import coarsen, refine
from high_order_nets.conversion.counting import count_reduced_parameters
from high_order_nets.layers import HighOrderActivation, make_synapse
from high_order_nets.layers.change import change_layer
from high_order_nets.optim.groups import parameter_groups
from high_order_nets.plots.functions import learned_functions

CHANNELS = 6


def layer(family: str = "polynomial", **options: Any) -> HighOrderActivation:
    """Make one in float64 whose every number is random."""
    net = HighOrderActivation(CHANNELS, family, dtype=torch.float64, **options)
    for parameter in net.parameters():
        nn.init.normal_(parameter)
    return net


def images(*shape: int) -> Tensor:
    return torch.randn(*(shape or (4, CHANNELS, 3, 2)), dtype=torch.float64)


def by_formula(net: HighOrderActivation, x: Tensor) -> Tensor:
    """Σ_j shape_{j,c} b_j(x_c) of nodal functions, of each channel or of its group."""
    assert net.shape is not None
    values = net.synapse.functions(x)  # (M, batch, channels, …)
    return torch.einsum("mbchw,mc->bchw", values, net.per_channel(net.shape))


@pytest.mark.parametrize("sharing", ["synapse", "channel", 2, 1])
@pytest.mark.parametrize("domain", ["linear", "tanh"])
@pytest.mark.parametrize("family", ["polynomial", "continuous", "fourier"])
def test_it_is_its_formula(family: str, domain: str, sharing: str | int) -> None:
    net = layer(family, n=3, domain=domain, sharing=sharing)
    x = images()
    torch.testing.assert_close(net(x), by_formula(net, x), rtol=1e-10, atol=1e-10)
    assert {*dict(net.named_parameters())} == {*net.state_dict()} == {"shape"}
    torch.testing.assert_close(net(x[0]), net(x)[0])


@pytest.mark.parametrize("parameters", ["nodal", "spectral"])
def test_gradients(parameters: str) -> None:
    net = layer(n=3, domain="tanh", parameters=parameters)

    def forward(x: Tensor, *values: Tensor) -> Tensor:
        return torch.func.functional_call(net, dict(zip(dict(net.named_parameters()), values, strict=True)), x)

    assert torch.autograd.gradcheck(forward, (images(2, CHANNELS, 2, 1).requires_grad_(), *net.parameters()))


def test_its_starts_are_the_functions_themselves() -> None:
    x = images() / 3
    for parameters in ("nodal", "spectral"):
        options: Any = {"n": 3, "scale": 4, "domain": "linear", "parameters": parameters, "dtype": torch.float64}
        torch.testing.assert_close(HighOrderActivation(CHANNELS, "polynomial", **options)(x), x)
        start = HighOrderActivation(CHANNELS, "polynomial", init="relu", **options)
        nodes = start.synapse.basis.nodes()
        assert nodes is not None
        at_nodes = nodes.view(-1, 1, 1, 1).expand(-1, CHANNELS, 1, 1)
        torch.testing.assert_close(start(at_nodes), at_nodes.relu(), rtol=1e-7, atol=1e-7)


def test_it_is_refined_and_coarsened() -> None:
    net, x = layer(n=3, domain="tanh"), images()
    changes: list[Any] = [{"n": 5}, {"parameters": "spectral"}, {"layer_type": "continuous", "segments": 4}]
    for change in changes:
        finer: Any = refine(net, **change)
        torch.testing.assert_close(finer(x), net(x), rtol=1e-9, atol=1e-9)
        assert {*dict(finer.named_parameters())} <= {"shape", "bias"}
        assert torch.equal(finer.weight, net.weight)
    back, report = coarsen(refine(net, n=5), n=3)
    assert report.relative < 1e-9
    torch.testing.assert_close(back(x), net(x))
    split: Any = refine(layer(n=3, sharing=2), sharing="synapse")
    assert split.synapse.sharing == "channel"
    assert split.shape.shape == (3, CHANNELS)
    before = split.shape
    replaced = change_layer(split, make_synapse("polynomial", n=4, sharing="channel"))
    assert {id(old): id(new) for old, new in replaced.items()} == {id(before): id(split.shape)}


def test_its_functions_are_a_group_and_can_be_looked_at() -> None:
    net = nn.Sequential(layer(n=3, parameters="spectral"))
    functions, others = sorted(parameter_groups(net, 0.1), key=lambda group: len(group["params"][0].shape))[::-1]
    assert [parameter.shape for parameter in functions["params"]] == [(2, CHANNELS)]
    assert [parameter.shape for parameter in others["params"]] == [(CHANNELS,)]
    assert count_reduced_parameters(net) == 3 * CHANNELS
    net = layer(n=3)
    found, x = learned_functions(net, 100), torch.linspace(-1, 1, 5, dtype=torch.float64)
    assert found.total == CHANNELS
    torch.testing.assert_close(found(x).T, net(x.view(-1, 1, 1, 1).expand(-1, CHANNELS, 1, 1))[:, :, 0, 0])


def test_it_moves_and_is_assigned_like_any_layer() -> None:
    net = layer(n=3).float()
    assert net.weight.dtype == torch.float32
    with torch.device("meta"):
        empty = HighOrderActivation(CHANNELS, "polynomial", n=3)
    empty.load_state_dict(net.state_dict(), assign=True)
    x = images().float()
    assert torch.equal(empty(x), net(x))
    with torch.autocast("cpu", torch.bfloat16):
        assert net(x.bfloat16()).dtype == torch.bfloat16
    exported = torch.export.export(net, (x,)).module()
    torch.testing.assert_close(exported(x), net(x))


def test_what_it_leaves_out_of_a_synapse() -> None:
    synapse = make_synapse("polynomial", base="silu", dropout=0.5, noise=1.0, rescale_output=True)
    net = HighOrderActivation(CHANNELS, synapse)
    assert net.base_weight is None
    assert str(net) == f"HighOrderActivation({CHANNELS}, bias=False, {make_synapse('polynomial', sharing='channel')})"


def test_wrong_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"x of shape \(1, 5, 2, 2\): expected \(batch, 6, height, width\)"):
        layer(n=3)(images(1, 5, 2, 2))
    with pytest.raises(ValueError, match="sharing=4: must divide the layer's 6 input channels"):
        HighOrderActivation(CHANNELS, "polynomial", sharing=4)
