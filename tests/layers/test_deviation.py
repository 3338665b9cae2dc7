"""sharing=deviation: φ_c = φ̄ + ½ δ_c, one φ̄ a layer."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from high_order_nets import coarsen, convert, refine
from high_order_nets.conversion.counting import count_parameters
from high_order_nets.layers import HighOrderActivation, HighOrderConv2d, HighOrderLayer, HighOrderLinear
from high_order_nets.layers.change import change_layer

CHANNELS = 6
LAYERS: dict[str, Callable[..., HighOrderLayer]] = {
    "linear": lambda **options: HighOrderLinear(CHANNELS, 4, "polynomial", n=4, **options),
    "convolution": lambda **options: HighOrderConv2d(CHANNELS, 4, 3, "polynomial", n=4, padding=1, **options),
    "activation": lambda **options: HighOrderActivation(CHANNELS, "polynomial", n=4, **options),
}
each_layer = pytest.mark.parametrize("kind", LAYERS)
each_parameters = pytest.mark.parametrize("parameters", ["nodal", "spectral"])


def make(kind: str, **options: Any) -> HighOrderLayer:
    torch.manual_seed(3)
    return LAYERS[kind](**{"domain": "linear", "sharing": "deviation", "dtype": torch.float64} | options)


def inputs(kind: str) -> Tensor:
    return 2 * torch.randn(3, CHANNELS, *[] if kind == "linear" else [5, 4], dtype=torch.float64)


def moved(layer: HighOrderLayer) -> HighOrderLayer:
    """The layer with other numbers."""
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_()
    return layer


@each_layer
@each_parameters
@pytest.mark.parametrize("init", ["linear", "relu", "silu"])
def test_it_starts_as_one_function_for_all(kind: str, parameters: str, init: str) -> None:
    layer, one = make(kind, parameters=parameters, init=init), make(kind, parameters=parameters, init=init, sharing=1)
    assert layer.master is not None
    assert layer.shape is not None
    assert layer.master.equal(one.shape)  # type: ignore[arg-type]
    assert not layer.shape.any()
    assert layer.weight.equal(one.weight)
    x = inputs(kind)
    torch.testing.assert_close(layer(x), one(x), rtol=1e-14, atol=1e-14)


@each_layer
@each_parameters
@pytest.mark.parametrize("init", ["mixed", "uniform"])
def test_what_is_random_starts_as_deviations_of_mean_0(kind: str, parameters: str, init: str) -> None:
    layer, channel = (make(kind, parameters=parameters, init=init, sharing=name) for name in ("deviation", "channel"))
    assert layer.shape is not None
    torch.testing.assert_close(layer.shape.mean(1), torch.zeros_like(layer.shape[:, 0]))
    assert layer.shape.std(1).min() > 0
    x = inputs(kind)
    torch.testing.assert_close(layer(x), channel(x))


@each_layer
@each_parameters
def test_it_is_its_formula(kind: str, parameters: str) -> None:
    layer, channel = moved(make(kind, parameters=parameters)), make(kind, parameters=parameters, sharing="channel")
    state = layer.state_dict()
    master, deviations = state.pop("master"), state.pop("shape")
    channel.load_state_dict(state | {"shape": master + 0.5 * deviations})
    x = inputs(kind)
    torch.testing.assert_close(layer(x), channel(x))
    torch.testing.assert_close(layer.full_weight(), channel.full_weight())
    assert count_parameters(layer) == count_parameters(channel) + len(master)


@each_layer
@each_parameters
def test_its_gradients(kind: str, parameters: str) -> None:
    layer = moved(make(kind, parameters=parameters))
    names, values = zip(*layer.named_parameters(), strict=True)
    x = inputs(kind)[:, :, :2, :2] if kind != "linear" else inputs(kind)

    def output(x: Tensor, *tensors: Tensor) -> Tensor:
        return torch.func.functional_call(layer, dict(zip(names, tensors, strict=True)), (x,))

    assert torch.autograd.gradcheck(output, (x.requires_grad_(), *values))


@each_layer
@each_parameters
@pytest.mark.parametrize(("sharing", "count"), [("channel", CHANNELS), (CHANNELS, CHANNELS), ("synapse", None)])
def test_the_master_is_folded_in(kind: str, parameters: str, sharing: str | int, count: int | None) -> None:
    layer, x = moved(make(kind, parameters=parameters)), inputs(kind)
    folded: Any = refine(layer, sharing=sharing, n=5)
    torch.testing.assert_close(folded(x), layer(x))
    assert folded.master is None
    assert "master" not in folded.state_dict()
    if count is not None:
        assert folded.shape.shape[1] == count


@each_layer
@pytest.mark.parametrize("sharing", [1, 2, "channel"])
def test_a_master_is_taken_out(kind: str, sharing: str | int) -> None:
    layer, x = moved(make(kind, sharing=sharing)), inputs(kind)
    split: Any = refine(layer, sharing="deviation")
    torch.testing.assert_close(split(x), layer(x))
    assert split.master.shape == (4, 1)
    assert split.shape.any() == (sharing != 1)


@each_layer
@each_parameters
def test_refinement_changes_both(kind: str, parameters: str) -> None:
    layer, x = moved(make(kind, parameters=parameters)), inputs(kind)
    before = layer(x).detach()
    old = layer.weight, layer.shape, layer.master
    replaced = change_layer(layer, refine(layer, n=6).synapse)  # type: ignore[arg-type]
    torch.testing.assert_close(layer(x), before)
    assert layer.weight is old[0]
    assert [replaced[each] for each in old[1:]] == [layer.shape, layer.master]  # type: ignore[index]
    assert coarsen(layer, n=3)[1].relative > 0.1


def test_a_network_of_them_goes_through_a_state_dict() -> None:
    plain = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Conv2d(3, 2, 3))
    net, report = convert(plain, "polynomial2d", sharing="deviation", init="mixed")
    other, _ = convert(plain, "polynomial2d", sharing="deviation", init="mixed")
    other.load_state_dict(net.state_dict())
    x = torch.randn(1, 2, 8, 8)
    assert other.eval()(x).equal(net.eval()(x))
    assert report.parameters_after == sum(parameter.numel() for parameter in net.parameters())
