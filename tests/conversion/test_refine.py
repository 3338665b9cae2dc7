"""refine: the same output in a larger function space; coarsen: how far it is off."""

import math
import warnings
from copy import deepcopy
from typing import Any

import pytest
import torch
import torchvision
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from high_order_nets import coarsen, convert, refine
from high_order_nets.basis import (
    Basis,
    ContinuousPiecewise,
    CReLU,
    DiscontinuousPiecewise,
    Fourier,
    Line,
    Polynomial,
)
from high_order_nets.basis.change import change_of_weights, largest_error
from high_order_nets.errors import UserError
from high_order_nets.layers import (
    HighOrderConv1d,
    HighOrderConv2d,
    HighOrderConv3d,
    HighOrderConvTranspose1d,
    HighOrderConvTranspose2d,
    HighOrderConvTranspose3d,
    HighOrderLayer,
    HighOrderLinear,
    Product,
    Synapse,
    fully_connected,
    make_synapse,
)

LAYERS = {
    "linear": (HighOrderLinear, 0),
    "conv1d": (HighOrderConv1d, 1),
    "conv2d": (HighOrderConv2d, 2),
    "conv3d": (HighOrderConv3d, 3),
    "transposed1d": (HighOrderConvTranspose1d, 1),
    "transposed2d": (HighOrderConvTranspose2d, 2),
    "transposed3d": (HighOrderConvTranspose3d, 3),
}
REFINABLE = ("polynomial", "continuous", "discontinuous", "fourier")


def make(kind: str, layer_type: str, **options: Any) -> tuple[HighOrderLayer, Tensor]:
    """A float64 layer of 4 inputs with random functions, and inputs that lie on knots and beyond the interval too."""
    cls, dimensions = LAYERS[kind]
    synapse = make_synapse(layer_type, **({"init": "variance_preserving"} | options))
    arguments = {"stride": 2, "padding": 1, "groups": 2} if dimensions else {}
    layer = cls(4, 6, *([3] if dimensions else []), synapse, bias=True, dtype=torch.float64, **arguments)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_()
    x = torch.randn(2, 4, *[5] * dimensions, dtype=torch.float64)
    half = synapse.basis.length / 2
    x.clamp_(-1.5 * half, 1.5 * half)  # T_6 of a small end segment is 5e8 at the rare 4, and so is what rounding costs
    x.view(-1)[:8] = torch.tensor([0, -half, half, half / 2, -half / 2, half / 3, -half / 3, 1.5 * half])
    return layer, x


def assert_same(old: nn.Module, new: nn.Module, x: Tensor) -> None:
    expected = old(x).detach()
    torch.testing.assert_close(
        new(x).detach(), expected, rtol=1e-10, atol=1e-10 * max(1.0, float(expected.abs().max()))
    )


OPTIONS = st.fixed_dictionaries(
    {
        "n": st.integers(1, 4),
        "segments": st.integers(1, 3),
        "sharing": st.sampled_from(["synapse", "channel", "deviation", 2]),
        "parameters": st.sampled_from(["nodal", "spectral"]),
        "domain": st.sampled_from(["extrapolate", "linear", "tanh", "mirror"]),
        "base": st.sampled_from([None, "silu"]),
        "rescale_output": st.booleans(),
    }
)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(LAYERS)), st.sampled_from(REFINABLE), OPTIONS, st.integers(0, 3), st.integers(1, 3))
def test_refined_layers_are_the_same_functions(kind, layer_type, options, more: int, times: int) -> None:
    assume(not (layer_type == "continuous" and options["n"] == 1))
    layer, x = make(kind, layer_type, scale=3.0, **options)
    n, piecewise = options["n"] + more, {}
    if "continuous" in layer_type:
        piecewise["segments"] = options["segments"] * times
    refined = refine(layer, n=n, **piecewise)
    assert_same(layer, refined, x)
    assert refined.synapse.basis == type(layer.synapse.basis)(n=n, length=3.0, **piecewise)


@pytest.mark.parametrize("kind", ["linear", "conv2d", "transposed1d"])
@pytest.mark.parametrize("sharing", ["channel", "deviation", 2])
@pytest.mark.parametrize("parameters", ["nodal", "spectral"])
def test_shared_functions_become_every_connections_own(kind: str, sharing: str | int, parameters: str) -> None:
    layer, x = make(kind, "continuous", n=3, segments=2, sharing=sharing, parameters=parameters, base="silu")
    refined = refine(layer, sharing="synapse", n=4)
    assert_same(layer, refined, x)
    assert refined.shape is None
    assert not any(name == "shape" for name, _ in refined.named_parameters())
    assert refined.weight.dim() == layer.weight.dim() + 1


def test_groups_of_channels_split() -> None:
    layer, x = make("conv2d", "polynomial", sharing=2)
    assert_same(layer, refine(layer, sharing="channel"), x)
    assert refine(layer, sharing="channel").shape.shape == (3, 4)
    assert refine(layer, sharing=4, n=5).shape.shape == (5, 4)
    for sharing in (1, 3):
        with pytest.raises(UserError, match=f"HighOrderConv2d: sharing={sharing}"):
            refine(layer, sharing=sharing)
    with pytest.raises(UserError, match="sharing=channel: connections with functions of their own"):
        refine(refine(layer, sharing="synapse"), sharing="channel")


@pytest.mark.parametrize("layer_type", ["polynomial_prod", "continuous_prod", "discontinuous_prod"])
@pytest.mark.parametrize("sharing", ["synapse", "channel"])
def test_product_neurons(layer_type: str, sharing: str) -> None:
    synapse = make_synapse(layer_type, n=3, segments=2, sharing=sharing, base="silu", alpha=0.5)
    layer = fully_connected(4, 3, synapse, bias=True, dtype=torch.float64)
    x = torch.randn(5, 4, dtype=torch.float64)
    assert_same(layer, refine(layer, n=4, sharing="synapse"), x)
    assert_same(layer, refine(layer, layer_type="discontinuous", segments=4), x)
    with pytest.raises(UserError, match="product neurons are nodal"):
        refine(layer, parameters="spectral")


def test_products_of_lines_become_products_of_polynomials() -> None:
    layer, x = Product(4, 3, dtype=torch.float64), torch.randn(5, 4, dtype=torch.float64)
    with pytest.raises(UserError, match="needs n"):
        refine(layer, layer_type="polynomial")
    assert_same(layer, refine(layer, layer_type="polynomial_prod", n=3), x)


@pytest.mark.parametrize("kind", ["linear", "conv1d", "transposed1d"])
@pytest.mark.parametrize("sharing", ["synapse", "channel"])
def test_lines_have_no_constants_but_spectral_polynomials_a_bias(kind: str, sharing: str) -> None:
    cls, dimensions = LAYERS[kind]
    layer = cls(4, 6, *[3] * dimensions, Synapse(Line(), sharing=sharing), dtype=torch.float64)
    new = refine(layer, layer_type="polynomial", n=3, parameters="spectral")
    assert new.bias.tolist() == [0.0] * 6
    assert_same(layer, new, torch.randn(2, 4, *[5] * dimensions, dtype=torch.float64))


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("layer_type", [*REFINABLE, "crelu"])
@pytest.mark.parametrize("sharing", ["synapse", "channel"])
def test_spectral_to_nodal(kind: str, layer_type: str, sharing: str) -> None:
    layer, x = make(kind, layer_type, n=4, segments=2, sharing=sharing, parameters="spectral", rescale_output=True)
    assert_same(layer, refine(layer, parameters="nodal"), x)


@pytest.mark.parametrize("layer_type", [*REFINABLE, "crelu"])
@pytest.mark.parametrize("sharing", ["synapse", "channel", 2])
@pytest.mark.parametrize("bias", [True, False])
def test_nodal_to_spectral_puts_the_constants_into_the_bias(layer_type: str, sharing: str | int, bias: bool) -> None:
    synapse = make_synapse(layer_type, n=4, segments=2, sharing=sharing, init="uniform", rescale_output=True)
    x = torch.randn(2, 4, 6, 6, dtype=torch.float64)
    conv = HighOrderConv2d(4, 6, 3, synapse, groups=2, bias=bias, dtype=torch.float64)
    pointwise = HighOrderConvTranspose2d(4, 6, 1, synapse, groups=2, bias=bias, dtype=torch.float64)
    linear = HighOrderLinear(6, 8, make_synapse(layer_type, n=4, init="uniform"), bias=bias, dtype=torch.float64)
    reflected = HighOrderConv2d(4, 6, 3, synapse, padding=1, padding_mode="reflect", dtype=torch.float64)
    for layer in (conv, pointwise, linear, reflected):
        spectral = refine(layer, parameters="spectral")
        assert_same(layer, spectral, x)
        assert spectral.weight.requires_grad
        assert_same(layer, refine(spectral, parameters="nodal"), x)


@pytest.mark.parametrize("kind", ["conv2d", "transposed2d"])
def test_constants_of_padded_taps_have_no_bias(kind: str) -> None:
    layer, x = make(kind, "polynomial", n=3)
    with pytest.raises(UserError, match="parameters=spectral is not exact"):
        refine(layer, parameters="spectral")
    approximate, report = coarsen(layer, parameters="spectral")
    assert approximate(x).shape == layer(x).shape
    assert report.relative < 1e-9  # the functions are the same; their constants moved
    # Chebyshev polynomials are not 0 at the left end, where piecewise terms are.
    spectral, _ = make(kind, "polynomial", n=3, parameters="spectral")
    with pytest.raises(UserError, match="take parameters=nodal"):
        refine(spectral, layer_type="continuous", segments=2)
    assert_same(spectral, refine(spectral, layer_type="continuous", segments=2, parameters="nodal"), x)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (Polynomial(3), ContinuousPiecewise(3, 4)),
        (Polynomial(3), DiscontinuousPiecewise(4, 3)),
        (ContinuousPiecewise(3, 1), Polynomial(3)),
        (DiscontinuousPiecewise(3, 1), Polynomial(5)),
        (ContinuousPiecewise(2, 3), DiscontinuousPiecewise(2, 3)),
        (ContinuousPiecewise(4, 7), DiscontinuousPiecewise(5, 49)),
        (DiscontinuousPiecewise(1, 3, 0.7), DiscontinuousPiecewise(1, 9, 0.7)),
        (DiscontinuousPiecewise(3, 32), DiscontinuousPiecewise(4, 64)),
        (Polynomial(12), Polynomial(17)),
        (Polynomial(1), Fourier(3)),
        (Fourier(2), Fourier(7)),
        (CReLU(), ContinuousPiecewise(2, 2)),
    ],
)
def test_spaces_that_nest(old: Basis, new: Basis) -> None:
    assert largest_error(old, new) < 1e-11
    assert largest_error(new, old) > 1e-3 or new.weights == old.weights
    change = change_of_weights(old, new)
    assert change.shape == (new.weights, old.weights)
    assert change.dtype == torch.float64


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (Polynomial(4), Polynomial(3)),
        (ContinuousPiecewise(3, 2), ContinuousPiecewise(3, 3)),
        (ContinuousPiecewise(3, 2), Polynomial(9)),
        (DiscontinuousPiecewise(2, 2), ContinuousPiecewise(2, 2)),
        (Fourier(3), Polynomial(5)),
        (Polynomial(2), Fourier(9)),
        (CReLU(), Polynomial(8)),
    ],
)
def test_spaces_that_do_not_nest(old: Basis, new: Basis) -> None:
    assert largest_error(old, new) > 1e-3


def test_both_sides_of_a_jump_are_kept() -> None:
    layer = HighOrderLinear(1, 1, "discontinuous", n=1, segments=3, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[[1.0], [5.0], [2.0]]]))
    refined = refine(layer, n=2, segments=6)
    assert refined.weight.flatten().tolist() == pytest.approx([1, 1, 1, 1, 5, 5, 5, 5, 2, 2, 2, 2], abs=1e-14)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"n": 2}, r"layer1\.0: ContinuousPiecewise\(n=3.*n' >= n"),
        ({"segments": 3}, "segments' a multiple"),
        ({"layer_type": "polynomial"}, "polynomial to piecewise"),
        ({"layer_type": "polynomial", "segments": 2}, "segments: Polynomial has none"),
        ({"layer_type": "crelu", "n": 2}, "n: CReLU has none"),
        ({"layer_type": "polynomal"}, "layer_type='polynomal': expected one of"),
        ({"layer_type": "polynomial_prod"}, "cannot become ones that multiply"),
        ({"parameters": "modal"}, "parameters='modal'"),
        ({"n": 0}, "n=0"),
        ({}, "expected n, segments"),
    ],
)
def test_what_cannot_be_exact_is_refused(target: dict[str, Any], message: str) -> None:
    net = nn.Module()
    net.layer1 = nn.Sequential(HighOrderLinear(2, 2, "continuous", n=3, segments=2))
    with pytest.raises(UserError, match=message):
        refine(net, **target)


def test_networks_without_functions_and_tied_parameters_are_refused() -> None:
    with pytest.raises(UserError, match="Linear has no high-order layer"):
        refine(nn.Linear(2, 2), n=3)
    net = nn.Sequential(HighOrderLinear(2, 2, "polynomial"), HighOrderLinear(2, 2, "polynomial"))
    net[1].weight = net[0].weight
    with pytest.raises(UserError, match="0 and 1 share a parameter"):
        refine(net, n=4)


def test_everything_else_stays() -> None:
    layer = HighOrderLinear(3, 3, "polynomial", n=3, parameters="spectral", dtype=torch.bfloat16)
    layer.weight.requires_grad_(False)
    net = nn.Sequential(layer, nn.BatchNorm1d(3), layer).eval()
    net[1].train()
    before, state, random = deepcopy(net.state_dict()), torch.get_rng_state(), net[0].weight
    refined = refine(net, n=5)
    assert torch.get_rng_state().equal(state)
    assert net[0].weight is random
    assert all(net.state_dict()[key].equal(value) for key, value in before.items())
    assert refined[0] is refined[2]
    assert not refined[0].weight.requires_grad
    assert refined[0].bias.requires_grad
    assert refined[0].weight.dtype == torch.bfloat16
    assert refined[0].weight.shape == (3, 4, 3)
    assert (refined.training, refined[0].training, refined[1].training) == (False, False, True)
    assert refined.double()(torch.zeros(2, 3, dtype=torch.float64)).shape == (2, 3)


def test_nothing_is_drawn_or_warned_of_again() -> None:
    with pytest.warns(UserWarning, match="no gradient"):
        layer = HighOrderLinear(3, 3, "polynomial", n=3, init="constant_random")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert refine(layer, n=4).synapse.init == "constant_random"


@pytest.mark.parametrize("parameters", ["nodal", "spectral"])
def test_the_meta_device(parameters: str) -> None:
    with torch.device("meta"):
        net, _ = convert(torchvision.models.resnet18(num_classes=10), n=3, parameters=parameters)
    refined = refine(net, n=5)
    assert refined.conv1.weight.is_meta
    assert refined(torch.zeros(1, 3, 64, 64, device="meta")).shape == (1, 10)
    assert math.isnan(coarsen(net, n=2)[1].relative)


def test_refined_layers_train(device: str) -> None:
    layer = refine(HighOrderLinear(3, 3, "polynomial", n=3, device=device), n=5)
    layer(torch.randn(4, 3, device=device)).square().sum().backward()
    assert layer.weight.grad.shape == (3, 5, 3)
    assert layer.weight.device.type == device


@pytest.mark.parametrize(
    ("parameters", "rescale_planes"),
    [("nodal", 4), ("spectral", 4), pytest.param("spectral", 1, marks=pytest.mark.slow)],
)
def test_a_converted_resnet18_does_not_change(parameters: str, rescale_planes: float) -> None:
    net, _ = convert(
        torchvision.models.resnet18(num_classes=10),
        "polynomial2d",
        n=3,
        domain="tanh",
        parameters=parameters,
        rescale_planes=rescale_planes,
    )
    with torch.no_grad():
        for _ in range(4):
            net(torch.randn(8, 3, 64, 64))
        x, net = torch.randn(4, 3, 64, 64), net.eval()
        y = net(x)
        difference = (refine(net, n=5)(x) - y).abs().max() / y.abs().max()
    assert difference <= 1e-5


def test_coarsening_interpolates_and_says_how_far_it_is_off() -> None:
    layer = HighOrderLinear(2, 3, "polynomial", n=3, dtype=torch.float64)
    with torch.no_grad():
        layer.weight[:] = torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64)[:, None]  # x²
    line, report = coarsen(layer, n=2)  # 1
    assert line.weight.flatten().tolist() == pytest.approx([1] * 12)
    (approximation,) = report.layers
    assert approximation.error == pytest.approx(1, abs=1e-12)
    assert approximation.relative == pytest.approx(1, abs=1e-12)
    assert str(report).endswith("error 1 (100.00%)")


@pytest.mark.parametrize("sharing", ["synapse", "channel"])
@pytest.mark.parametrize("parameters", ["nodal", "spectral"])
def test_coarsening_what_was_refined_gives_it_back(sharing: str, parameters: str) -> None:
    layer, x = make("conv2d", "continuous", n=3, segments=2, sharing=sharing, parameters=parameters)
    back, report = coarsen(refine(layer, n=5, segments=4), n=3, segments=2)
    assert_same(layer, back, x)
    assert report.relative < 1e-9


@pytest.mark.parametrize("new", ["fourier", "crelu", "polynomial"])
def test_coarsening_to_another_family_fits(new: str) -> None:
    layer, x = make("linear", "continuous", n=3, segments=2)
    other, report = coarsen(layer, layer_type=new)
    assert other(x).isfinite().all()
    assert 0 < report.relative < 10


@pytest.mark.parametrize(("layer_type", "n"), [("continuous", 3), ("continuous", 2), ("polynomial", 3)])
def test_a_coarsened_jump_is_met_in_the_middle(layer_type: str, n: int) -> None:
    step = HighOrderLinear(1, 1, "discontinuous", n=1, segments=2, dtype=torch.float64)
    with torch.no_grad():
        step.weight.copy_(torch.tensor([[[0.0], [1.0]]]))
    segments = None if layer_type == "polynomial" else 2
    coarse, report = coarsen(step, layer_type=layer_type, n=n, segments=segments)
    values = [0.0, 0.5, 1.0] if layer_type == "polynomial" else [0.0, *[0.0] * (n - 2), 0.5, *[1.0] * (n - 1)]
    assert coarse.weight.flatten().tolist() == pytest.approx(values, abs=1e-12)
    assert (report.layers[0].error, report.relative) == pytest.approx((0.5, 0.5), abs=1e-12)
    spectral, report = coarsen(step, layer_type=layer_type, n=n, segments=segments, parameters="spectral")
    assert report.relative == pytest.approx(0.5, abs=1e-12)
    assert coarsen(spectral, layer_type="fourier")[1].layers[0].new.parameters == "spectral"


def test_a_jump_inside_a_new_segment_is_met_in_the_middle() -> None:
    step = HighOrderLinear(1, 1, "discontinuous", n=1, segments=2, dtype=torch.float64)
    with torch.no_grad():
        step.weight.copy_(torch.tensor([[[0.0], [1.0]]]))
    coarse, _ = coarsen(step, n=3, segments=1)
    assert coarse.weight.flatten().tolist() == pytest.approx([0.0, 0.5, 1.0], abs=1e-12)


@pytest.mark.parametrize("parameters", ["nodal", "spectral"])
@pytest.mark.parametrize(
    "size", [{"n": 4}, {"n": 1}, {"segments": 2}, {"layer_type": "fourier"}, {"layer_type": "crelu"}], ids=str
)
def test_the_error_of_a_coarsening_is_the_largest_on_the_interval(parameters: str, size: dict[str, Any]) -> None:
    old = HighOrderLinear(1, 1, "discontinuous", n=4, segments=3, parameters=parameters, dtype=torch.float64)
    with torch.no_grad():
        old.weight.normal_()
    new, report = coarsen(old, **size)
    jumps = torch.linspace(-1, 1, 3 * 2 + 1, dtype=torch.float64)[:, None]  # those of 2 and of 3 segments
    x = torch.cat([torch.linspace(-1, 1, 5001, dtype=torch.float64)[:, None], jumps - 1e-13, jumps + 1e-13])
    x = x[x.abs() <= 1][:, None]
    with torch.no_grad():
        # The constants of spectral functions are in the bias, no part of any of them.
        functions = old(x) if old.bias is None else old(x) - old.bias
        error, largest = (old(x) - new(x)).abs().max(), functions.abs().max()
    assert report.layers[0].error == pytest.approx(float(error), rel=0.01, abs=1e-12)
    assert report.relative == pytest.approx(float(error / largest), rel=0.01, abs=1e-12)
