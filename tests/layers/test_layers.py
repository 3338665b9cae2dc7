"""Layers against loops and the ordinary contraction of their functions."""

import copy
import math
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from high_order_nets.basis import Basis, Polynomial
from high_order_nets.layers import (
    DOMAINS,
    HighOrderConv1d,
    HighOrderConv2d,
    HighOrderConv3d,
    HighOrderLinear,
    Synapse,
    make_synapse,
)

TYPES = sorted(Basis.registry)
CONVS = {1: HighOrderConv1d, 2: HighOrderConv2d, 3: HighOrderConv3d}
PLAIN = {1: (nn.Conv1d, F.conv1d), 2: (nn.Conv2d, F.conv2d), 3: (nn.Conv3d, F.conv3d)}


def convolved(layer, x: Tensor) -> Tensor:
    """The definition: evaluate every function at every pixel, pad with zeros, contract."""
    functions = layer.synapse.functions(x)  # (M, batch, C, *space)
    groups = layer.groups
    features = functions.unflatten(2, (groups, -1)).movedim(0, 2).flatten(1, 3)  # (batch, groups·M·C/groups, *space)
    weight = layer.weight.flatten(1, 2) / (layer.fan_in if layer.synapse.rescale_output else 1)
    convolve = PLAIN[layer.dimensions][1]
    return convolve(features, weight, layer.bias, layer.stride, layer.padding, layer.dilation, groups)


@pytest.mark.parametrize("layer_type", TYPES)
@pytest.mark.parametrize("domain", DOMAINS)
def test_linear_is_a_sum_of_functions(layer_type: str, domain: str, device: str) -> None:
    synapse = make_synapse(layer_type, n=4, segments=3, scale=3.0, domain=domain, init="variance_preserving")
    layer = HighOrderLinear(5, 7, synapse, bias=True, device=device, dtype=torch.float64)
    x = torch.randn(2, 3, 5, device=device, dtype=torch.float64) * 2
    functions = synapse.functions(x)  # (M, 2, 3, 5)
    assert layer.bias is not None
    expected = torch.einsum("omi,mabi->abo", layer.weight, functions) + layer.bias
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize("layer_type", TYPES)
@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_convolution_is_a_sum_of_functions(layer_type: str, dimensions: int, device: str) -> None:
    synapse = make_synapse(layer_type, n=3, segments=2, scale=2.5, init="variance_preserving")
    layer = CONVS[dimensions](
        4, 6, 3, synapse, stride=2, padding=1, dilation=2, groups=2, bias=True, device=device, dtype=torch.float64
    )
    x = torch.randn(2, 4, *[7] * dimensions, device=device, dtype=torch.float64)
    torch.testing.assert_close(layer(x), convolved(layer, x))


def test_groups_by_an_explicit_loop() -> None:
    synapse = make_synapse("polynomial", n=3)
    layer = HighOrderConv1d(4, 6, 2, synapse, groups=2, dtype=torch.float64)
    x = torch.randn(1, 4, 5, dtype=torch.float64)
    functions = synapse.functions(x)
    y = torch.zeros(1, 6, 4, dtype=torch.float64)
    for o in range(6):
        for c in range(2):
            for k in range(2):
                for p in range(4):
                    y[0, o, p] += layer.weight[o, :, c, k] @ functions[:, 0, (o // 3) * 2 + c, p + k]
    torch.testing.assert_close(layer(x), y)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(TYPES),
    st.integers(1, 3),
    st.sampled_from([1, 2]),
    st.integers(1, 3),
    st.integers(1, 2),
    st.sampled_from([0, 1, 2, "same", "valid"]),
    st.integers(1, 2),
    st.sampled_from([2, 3, 5]),
    st.booleans(),
)
def test_any_convolution(layer_type, kernel, dimensions, groups, stride, padding, dilation, n, rescale) -> None:
    if padding == "same":
        stride, kernel = 1, 2 * kernel - 1  # torch warns of even kernels
    synapse = make_synapse(layer_type, n=n, segments=2, rescale_output=rescale, init="variance_preserving")
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    layer = CONVS[dimensions](2 * groups, 3 * groups, kernel, synapse, dtype=torch.float64, **options)
    plain = PLAIN[dimensions][0](2 * groups, 3 * groups, kernel, dtype=torch.float64, **options)
    x = torch.randn(2, 2 * groups, *[6] * dimensions, dtype=torch.float64)
    y = layer(x)
    assert y.shape == plain(x).shape
    torch.testing.assert_close(y, convolved(layer, x))


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize("padding", [1, "same"])
def test_other_padding_modes_pad_the_input(mode: str, padding: int | str) -> None:
    synapse = make_synapse("polynomial", n=3, init="variance_preserving")
    layer = HighOrderConv2d(2, 3, 3, synapse, padding=padding, padding_mode=mode, dtype=torch.float64)
    inner = HighOrderConv2d(2, 3, 3, synapse, dtype=torch.float64)
    inner.load_state_dict(layer.state_dict())
    x = torch.randn(1, 2, 5, 5, dtype=torch.float64)
    torch.testing.assert_close(layer(x), inner(F.pad(x, [1] * 4, mode=mode)))


def test_padding_is_in_basis_space() -> None:
    """A padded tap contributes nothing, although f(0) is not 0."""
    layer = HighOrderConv1d(1, 1, 3, Synapse(Polynomial(1)), padding=1)
    nn.init.ones_(layer.weight)
    assert layer(torch.zeros(1, 1, 4)).flatten().tolist() == [2, 3, 3, 2]


def test_n_2_is_the_ordinary_convolution() -> None:
    layer = HighOrderConv2d(3, 4, 3, make_synapse("polynomial", n=2), padding=1, dtype=torch.float64)
    x = torch.randn(2, 3, 6, 6, dtype=torch.float64)
    slopes = (layer.weight[:, 1] - layer.weight[:, 0]) / 2  # lines through 0 by initialisation
    torch.testing.assert_close(layer(x), F.conv2d(x, slopes, padding=1))


@pytest.mark.parametrize("layer_type", TYPES)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_spectral_parameters_are_the_same_functions(layer_type: str, n: int) -> None:
    if layer_type == "continuous" and n == 1:
        pytest.skip("no continuous function of constants")
    nodal = HighOrderConv2d(2, 3, 3, make_synapse(layer_type, n=n, segments=2), padding=1, dtype=torch.float64)
    synapse = make_synapse(layer_type, n=n, segments=2, parameters="spectral")
    spectral = HighOrderConv2d(2, 3, 3, synapse, padding=1, dtype=torch.float64)
    with torch.no_grad():
        a0, a = nodal.coefficients()
        spectral.weight.copy_(a[:, : synapse.basis.groups])
        if spectral.bias is not None:
            spectral.bias.zero_()
    x = torch.randn(2, 2, 5, 5, dtype=torch.float64)
    constant = 0 if a0 is None else F.conv2d(torch.ones_like(x), a0, padding=1)
    torch.testing.assert_close(spectral(x), nodal(x) - constant)
    assert spectral.weight.shape[1] == synapse.basis.groups
    assert spectral.redundant_parameters == 0


@pytest.mark.parametrize("layer_type", TYPES)
@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("parameters", ["nodal", "spectral"])
@pytest.mark.parametrize("n", [2, 3, 7])
def test_start_has_unit_variance(layer_type: str, domain: str, parameters: str, n: int) -> None:
    synapse = make_synapse(layer_type, n=n, segments=2, scale=4.0, domain=domain, parameters=parameters)
    layer = HighOrderLinear(256, 256, synapse)
    assert layer(torch.randn(256, 256)).std().item() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("layer_type", TYPES)
@pytest.mark.parametrize("rescale", [False, True])
@pytest.mark.parametrize("parameters", ["nodal", "spectral"])
@pytest.mark.parametrize("domain", ["extrapolate", "tanh"])
def test_variance_preserving_is_right_on_the_interval(
    layer_type: str, rescale: bool, parameters: str, domain: str
) -> None:
    options = {"rescale_output": rescale, "parameters": parameters, "domain": domain}
    synapse = make_synapse(layer_type, n=4, segments=2, init="variance_preserving", **options)
    layer = HighOrderLinear(400, 400, synapse)
    y = layer(torch.rand(400, 400) * 2 - 1)
    assert y.std(0).mean().item() == pytest.approx(1, abs=0.1)


def test_constant_random_passes_no_gradient_and_says_so() -> None:
    with pytest.warns(UserWarning, match="no gradient"):
        layer = HighOrderLinear(8, 4, make_synapse("polynomial", n=3, init="constant_random"))
    x = torch.randn(5, 8, requires_grad=True)
    layer(x).sum().backward()
    assert x.grad is not None
    assert x.grad.abs().max() < 1e-6
    assert layer.weight.min() >= 0
    assert layer.weight.max() <= 1 / 8


@pytest.mark.parametrize("layer_type", TYPES)
def test_uniform_start(layer_type: str) -> None:
    layer = HighOrderLinear(10, 50, make_synapse(layer_type, init="uniform"))
    assert layer.weight.abs().max() <= 0.1
    assert layer.weight.abs().max() > 0.09


@pytest.mark.parametrize("layer_type", TYPES)
@pytest.mark.parametrize("domain", DOMAINS)
def test_gradcheck(layer_type: str, domain: str) -> None:
    synapse = make_synapse(layer_type, n=3, segments=2, scale=3.0, domain=domain)
    layer = HighOrderConv1d(2, 3, 2, synapse, padding=1, dtype=torch.float64)
    x = torch.randn(1, 2, 3, dtype=torch.float64, requires_grad=True)

    def run(x: Tensor, weight: Tensor) -> Tensor:
        return torch.func.functional_call(layer, {"weight": weight}, (x,))

    assert torch.autograd.gradcheck(run, (x, layer.weight), eps=1e-7, atol=1e-5)


def test_domains() -> None:
    x = torch.tensor([-5.0, -0.5, 0.0, 0.5, 1.5, 5.0], dtype=torch.float64)
    weights = torch.tensor([2.0, -1.0, 3.0], dtype=torch.float64)

    def f(domain: str) -> Tensor:
        return weights @ Synapse(Polynomial(3), domain=domain).functions(x)

    inside = f("extrapolate")[1:4]
    for domain in ("linear", "clamp", "mirror"):
        torch.testing.assert_close(f(domain)[1:4], inside)
    assert f("clamp")[[0, 4, 5]].tolist() == pytest.approx([2.0, 3.0, 3.0])
    # f = -1 + x/2 + 7/2 x², f'(±1) = 1/2 ± 7
    assert f("linear")[[0, 5]].tolist() == pytest.approx([2 + 4 * 6.5, 3 + 4 * 7.5])
    assert f("mirror")[4] == pytest.approx(f("extrapolate")[3])
    at_tanh = torch.tanh(x)
    torch.testing.assert_close(f("tanh"), -1 + at_tanh / 2 + 3.5 * at_tanh**2)


def test_periodicity_folds_before_the_basis() -> None:
    synapse = make_synapse("polynomial", n=2, periodicity=2.0)
    line = synapse.basis.line()
    x = torch.tensor([-3.0, -2.0, -1.0, 0.5, 1.0, 1.5, 3.0, 4.25], dtype=torch.float64)
    folded = [1.0, 0.0, -1.0, 0.5, 1.0, 0.5, -1.0, 0.25]
    assert (line @ synapse.functions(x)).tolist() == pytest.approx(folded)


@pytest.mark.parametrize("layer_type", TYPES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_dtypes_follow(layer_type: str, dtype: torch.dtype, device: str) -> None:
    synapse = make_synapse(layer_type, n=3, segments=2)
    exact = HighOrderConv2d(8, 8, 3, synapse, padding=1, dtype=torch.float64, device=device)
    layer = copy.deepcopy(exact).to(dtype)
    x = torch.rand(2, 8, 6, 6, device=device, dtype=torch.float64) * 2 - 1
    x = x.to(dtype).double()  # the same inputs for both
    y = layer(x.to(dtype))
    assert y.dtype == dtype
    tolerance = 40 * torch.finfo(dtype).eps
    torch.testing.assert_close(y.double(), exact(x), rtol=tolerance, atol=tolerance * 2)


def test_double_after_bfloat16_has_an_exact_transform() -> None:
    layer = HighOrderLinear(2, 2, make_synapse("polynomial", n=5)).bfloat16().double()
    torch.testing.assert_close(layer.transform, Polynomial(5).transform(), rtol=0, atol=0)


def test_autocast(device: str) -> None:
    layer = HighOrderConv2d(8, 8, 3, make_synapse("polynomial", n=3), padding=1, device=device)
    x = torch.randn(2, 8, 6, 6, device=device)
    with torch.autocast(device, torch.bfloat16):
        y = layer(x)
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), layer(x), rtol=0.05, atol=0.05)


def test_state_is_the_weight_alone() -> None:
    layer = HighOrderConv2d(2, 3, 3, make_synapse("fourier", n=5))
    assert list(layer.state_dict()) == ["weight"]
    assert layer.weight.shape == (3, 5, 2, 3, 3)
    twin = HighOrderConv2d(2, 3, 3, make_synapse("fourier", n=5))
    twin.load_state_dict(layer.state_dict())
    x = torch.randn(1, 2, 4, 4)
    torch.testing.assert_close(twin(x), layer(x), rtol=0, atol=0)
    assert copy.deepcopy(layer)(x).equal(layer(x))


def test_meta_device() -> None:
    layer = HighOrderLinear(4, 3, make_synapse("continuous", n=3, segments=2), device="meta")
    assert layer.weight.is_meta
    layer = layer.to_empty(device="cpu")
    layer.reset_parameters()
    assert layer(torch.randn(2, 4)).isfinite().all()


@pytest.mark.parametrize("layer_type", ["polynomial", "continuous", "discontinuous", "fourier"])
def test_nan_stays_nan_even_with_constants_alone(layer_type: str) -> None:
    layer = HighOrderLinear(1, 1, make_synapse(layer_type, n=1))
    assert layer(torch.tensor([[math.nan]])).isnan().all()


def test_tangents_are_right_whatever_surrounds_the_first_call() -> None:
    with torch.inference_mode(), torch.device("meta"):
        slopes = Polynomial(4, 2.125).end_slopes
    assert all(slope for pair in slopes for slope in pair)


def test_unbatched_images() -> None:
    layer = HighOrderConv2d(2, 3, 3, make_synapse("polynomial"), padding=1)
    x = torch.randn(2, 5, 5)
    torch.testing.assert_close(layer(x), layer(x[None])[0])


def test_rescale_output_divides_by_the_inputs() -> None:
    plain = HighOrderConv2d(4, 4, (3, 2), make_synapse("polynomial"), groups=2)
    scaled = HighOrderConv2d(4, 4, (3, 2), make_synapse("polynomial", rescale_output=True), groups=2)
    scaled.load_state_dict(plain.state_dict())
    x = torch.randn(1, 4, 5, 5)
    torch.testing.assert_close(scaled(x), plain(x) / (2 * 3 * 2))


@pytest.mark.parametrize("layer_type", TYPES)
@pytest.mark.parametrize("n", range(2, 9))
@pytest.mark.parametrize("options", [{}, {"scale": 4.0, "domain": "tanh", "parameters": "spectral"}], ids=str)
def test_deep_stacks_keep_their_scale(layer_type: str, n: int, options: dict) -> None:
    """Sixteen layers with the layers' and with convert's defaults: neither vanishing nor exploding."""
    synapse = make_synapse(layer_type, n=n, segments=2, **options)
    net = nn.Sequential(*(HighOrderLinear(128, 128, synapse) for _ in range(16)))
    assert 0.5 < net(torch.randn(64, 128)).std().item() < 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: make_synapse("polynom"), "layer_type='polynom'"),
        (lambda: make_synapse("polynomial", domain="wrap"), "domain='wrap'"),
        (lambda: make_synapse("polynomial", periodicity=-1.0), "periodicity=-1"),
        (lambda: make_synapse("polynomial", parameters="modal"), "parameters='modal'"),
        (lambda: HighOrderLinear(2, 2, make_synapse("polynomial", init="zeros")), "init='zeros'"),
        (lambda: HighOrderConv2d(3, 4, 3, make_synapse("polynomial"), groups=2), "groups=2"),
        (lambda: HighOrderConv2d(3, 4, (3, 3, 3), make_synapse("polynomial")), "expected one number or 2"),
        (lambda: HighOrderConv2d(3, 4, 3, make_synapse("polynomial"), padding_mode="wrap"), "padding_mode='wrap'"),
        (lambda: HighOrderConv2d(3, 4, 3, make_synapse("polynomial"), padding="smae"), "padding='smae'"),
        (lambda: HighOrderConv2d(3, 4, 3, make_synapse("polynomial"), padding="same", stride=2), "stride=2"),
    ],
)
def test_wrong_options_are_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_unknown_options_are_refused() -> None:
    with pytest.raises(TypeError, match="nodes"):
        make_synapse("polynomial", nodes=3)


def test_names_with_dimensions() -> None:
    assert make_synapse("polynomial2d", n=4) == make_synapse("polynomial", n=4)
    assert math.isclose(make_synapse("fourier1d", scale=3.0).basis.length, 3.0)


@pytest.mark.parametrize("make", [partial(HighOrderLinear, 4, 5), partial(HighOrderConv2d, 4, 5, 3)])
@pytest.mark.parametrize("layer_type", ["product", "polynomial_prod"])
def test_layers_that_add_refuse_neurons_that_multiply(make: Any, layer_type: str) -> None:
    with pytest.raises(ValueError, match="HighOrderProduct"):
        make(layer_type)
