"""Every layer type × every property that people rely on."""

import copy
import gc
import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.func import functional_call, grad, vmap

from high_order_nets.kernels.bag import Bag
from high_order_nets.kernels.dispatch import call_of
from high_order_nets.layers import (
    DOMAINS,
    HighOrderLayer,
    HighOrderLinear,
    high_order_convolution_layers,
    high_order_convolution_transpose_layers,
    high_order_fc_layers,
)
from high_order_nets.layers.helpers import convolution_layers
from high_order_nets.layers.layer_type import families

SPACE = {"1d": (9,), "2d": (6, 5), "3d": (4, 3, 4)}
KINDS = [("fc", name) for name in families()]
KINDS += [(kind, name) for kind in ("conv", "transposed") for name in convolution_layers()]
SMOOTH = ("polynomial", "fourier", "product")
every_layer = pytest.mark.parametrize(("kind", "layer_type"), KINDS, ids=lambda value: value)


def make(kind: str, layer_type: str, **options) -> HighOrderLayer:
    options = {"n": 3, "segments": 2, "init": "variance_preserving", "dtype": torch.float64} | options
    if layer_type == "product":
        options["init"] = "linear"
    if kind == "fc":
        return high_order_fc_layers(layer_type, in_features=4, out_features=6, **options)
    sizes = {"in_channels": 4, "out_channels": 6, "kernel_size": 2, "stride": 2, "padding": 1, "groups": 2}
    build = high_order_convolution_layers if kind == "conv" else high_order_convolution_transpose_layers
    return build(layer_type, **sizes, **options)


def inputs(
    kind: str, layer_type: str, batch: int = 3, dtype: torch.dtype = torch.float64, device: str = "cpu"
) -> Tensor:
    space = () if kind == "fc" else SPACE[layer_type[-2:]]
    return torch.randn(batch, 4, *space, dtype=dtype, device=device)


def gradients(layer: Any, x: Tensor) -> list[Tensor]:
    x = x.detach().requires_grad_()
    y = layer(x)
    seed = torch.linspace(-1, 1, y.numel(), dtype=y.dtype, device=y.device).view_as(y)
    return list(torch.autograd.grad(y, [x, *layer.parameters()], seed))


def plain(layer: HighOrderLayer, x: Tensor) -> Tensor:
    """The same layer by plain differentiable operations, as vmap takes it."""
    return vmap(lambda one: layer(one[None])[0])(x)


OPTIONS = [
    {},
    {"parameters": "spectral", "bias": True},
    {"sharing": "channel", "init": "mixed"},
    {"sharing": 2, "parameters": "spectral", "init": "relu"},
    {"sharing": "deviation", "init": "mixed"},
    {"base": "silu", "rescale_output": True},
    {"sharing": "channel", "base": "gelu", "domain": "linear"},
    {"domain": "tanh", "scale": 3.0, "periodicity": 2.5},
    {"n": 1, "segments": 1},
]


@every_layer
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_gradients_in_closed_form_are_those_of_plain_operations(kind: str, layer_type: str, options: dict) -> None:
    layer, x = make(kind, layer_type, **options), inputs(kind, layer_type)
    torch.testing.assert_close(layer(x), plain(layer, x))

    def scalar(parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        y = functional_call(layer, parameters, (x,))
        return (y * torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)).sum()

    by_name, x_grad = grad(scalar, argnums=(0, 1))(dict(layer.named_parameters()), x)
    for found, expected in zip(gradients(layer, x), [x_grad, *by_name.values()], strict=True):
        torch.testing.assert_close(found, expected)


@every_layer
def test_pieces_change_nothing(kind: str, layer_type: str, monkeypatch: pytest.MonkeyPatch) -> None:
    layer, x = make(kind, layer_type), inputs(kind, layer_type, batch=5)
    whole = [layer(x), *gradients(layer, x)]
    monkeypatch.setattr("high_order_nets.kernels.dense.rows_of_a_piece", lambda *_: 2)
    monkeypatch.setattr("high_order_nets.kernels.product._rows", lambda *_: 2)
    for part, expected in zip([layer(x), *gradients(layer, x)], whole, strict=True):
        torch.testing.assert_close(part, expected)


@every_layer
@pytest.mark.parametrize("options", [{}, {"sharing": "channel", "init": "mixed"}], ids=str)
def test_only_x_and_the_parameters_are_kept(kind: str, layer_type: str, options: dict) -> None:
    layer, x = make(kind, layer_type, **options), inputs(kind, layer_type).requires_grad_()
    own = {x.data_ptr(), *(parameter.data_ptr() for parameter in layer.parameters())}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        layer(x)
    assert set(kept) == own
    assert sum(kept.values()) == sum(t.numel() * t.element_size() for t in (x, *layer.parameters()))


@every_layer
def test_second_derivatives(kind: str, layer_type: str) -> None:
    if not layer_type.startswith(SMOOTH):
        pytest.skip("not smooth at its knots")
    layer, x = make(kind, layer_type), inputs(kind, layer_type, batch=1) / 3
    parameters = dict(layer.named_parameters())

    def run(x: Tensor, *values: Tensor) -> Tensor:
        return functional_call(layer, dict(zip(parameters, values, strict=True)), (x,))

    arguments = (x.requires_grad_(), *parameters.values())
    assert torch.autograd.gradgradcheck(run, arguments, eps=1e-5, atol=1e-4, fast_mode=True)


@every_layer
def test_copies_states_and_devices(kind: str, layer_type: str, device: str) -> None:
    layer, x = make(kind, layer_type, device=device), inputs(kind, layer_type, device=device)
    y = layer(x)
    assert copy.deepcopy(layer)(x).equal(y)
    twin = make(kind, layer_type, device="meta").to_empty(device=device)
    twin.load_state_dict(layer.state_dict())
    assert twin(x).equal(y)
    assert make(kind, layer_type, device="meta")(x.to("meta")).shape == y.shape
    half = copy.deepcopy(layer).bfloat16()(x.bfloat16())
    assert half.dtype == torch.bfloat16
    assert copy.deepcopy(layer).float()(x.float()).allclose(y.float(), rtol=1e-4, atol=1e-4)


@every_layer
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_rounds_the_product_alone(kind: str, layer_type: str, dtype: torch.dtype, device: str) -> None:
    layer = make(kind, layer_type, dtype=torch.float32, device=device)
    x = inputs(kind, layer_type, dtype=torch.float32, device=device).clamp(-1, 1)
    with torch.autocast(device, dtype):
        y = layer(x)
        found = gradients(layer, x)
    assert y.dtype == dtype
    scale = layer(x).abs().max()
    assert (y.float() - layer(x)).abs().max() < 0.03 * scale
    for half, full in zip(found, gradients(layer, x), strict=True):
        assert half.dtype == torch.float32
        assert (half - full).abs().max() <= 0.05 * full.abs().max() + 1e-6


@every_layer
def test_extreme_inputs_are_finite(kind: str, layer_type: str) -> None:
    for n, segments in ((1, 1), (2, 64), (3, 2)):
        layer = make(kind, layer_type, n=n, segments=segments, init="uniform" if layer_type != "product" else "linear")
        x = inputs(kind, layer_type)
        special = torch.tensor([1e4, -1e4, 1.0, -1.0, 0.0, 0.5, 1 / 32], dtype=x.dtype)
        x.view(-1)[: len(special)] = special
        assert all(t.isfinite().all() for t in (layer(x), *gradients(layer, x)))


@pytest.mark.parametrize("layer_type", ["continuous", "discontinuous"])
@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("periodicity", [None, 1.7])
def test_the_bag_is_the_dense_layer(layer_type: str, domain: str, periodicity: float | None) -> None:
    options = {"domain": domain, "periodicity": periodicity, "scale": 3.0, "bias": True, "rescale_output": True}
    layer = make("fc", layer_type, n=4, segments=20, **options)
    x = inputs("fc", layer_type, batch=7)
    assert Bag().suits(call_of(layer, x))
    torch.testing.assert_close(layer(x), plain(layer, x))
    dense = copy.deepcopy(layer)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Bag, "suits", lambda *_: False)
        expected = gradients(dense, x)
    for found, other in zip(gradients(layer, x), expected, strict=True):
        torch.testing.assert_close(found, other)


@pytest.mark.parametrize("layer_type", ["continuous", "discontinuous"])
def test_the_bag_copies_no_table_for_few_samples(layer_type: str, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = make("fc", layer_type, n=3, segments=64, bias=True, rescale_output=True)
    x = inputs("fc", layer_type, batch=6)  # 2 of them look up less than an eighth of the weights
    expected = layer(x).detach()
    assert layer(x[:0]).shape == expected[:0].shape
    monkeypatch.setattr("high_order_nets.kernels.bag._table", None)
    torch.testing.assert_close(layer(x[:2]), expected[:2])
    torch.testing.assert_close(layer(x[:2] * math.nan), expected[:2] * math.nan, equal_nan=True)


@pytest.mark.parametrize("layer_type", ["polynomial", "continuous", "polynomial_prod"])
def test_one_graph_compiles(layer_type: str) -> None:
    layer, x = make("fc", layer_type), inputs("fc", layer_type)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), layer(x))
    for found, expected in zip(gradients(compiled, x), gradients(layer, x), strict=True):
        torch.testing.assert_close(found, expected)


@pytest.mark.slow
@every_layer
@pytest.mark.parametrize("options", [{}, {"sharing": "channel", "init": "mixed"}], ids=str)
def test_every_graph_compiles(kind: str, layer_type: str, options: dict) -> None:
    torch.compiler.reset()  # It gives up on one function compiled for too many layers.
    layer, x = make(kind, layer_type, **options), inputs(kind, layer_type)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    for found, expected in zip(gradients(compiled, x), gradients(layer, x), strict=True):
        torch.testing.assert_close(found, expected)


def test_nothing_leaks() -> None:
    layer = make("conv", "continuous2d", dtype=torch.float32)

    def tensors_after(steps: int) -> int:
        for _ in range(steps):
            layer(inputs("conv", "continuous2d", dtype=torch.float32).requires_grad_()).sum().backward()
        gc.collect()
        return sum(issubclass(type(thing), Tensor) for thing in gc.get_objects())

    assert tensors_after(10) == tensors_after(190)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_layer_is_the_sum_of_its_functions(data) -> None:
    """Shapes, n, segments, groups, stride, padding, dilation against a loop over taps written from the formulas."""
    kind = data.draw(st.sampled_from(["conv", "transposed"]))
    layer_type = data.draw(st.sampled_from(convolution_layers()))
    dimensions, groups = int(layer_type[-2]), data.draw(st.integers(1, 2))
    sizes = {
        "stride": data.draw(st.integers(1, 3)),
        "padding": data.draw(st.integers(0, 1)),
        "dilation": data.draw(st.integers(1, 2)),
        "kernel_size": data.draw(st.integers(1, 3)),
        "n": data.draw(st.integers(2, 5)),
        "segments": data.draw(st.integers(1, 3)),
    }
    dtype = data.draw(st.sampled_from([torch.float32, torch.float64]))
    build = high_order_convolution_layers if kind == "conv" else high_order_convolution_transpose_layers
    options = {"init": "variance_preserving", "domain": "tanh", "dtype": dtype, "groups": groups, "bias": True}
    layer = build(layer_type, in_channels=2 * groups, out_channels=groups, **sizes, **options)
    x = torch.randn(2, 2 * groups, *[data.draw(st.integers(5, 6))] * dimensions, dtype=dtype)
    error = (layer(x).double() - slow(layer, x.double(), kind == "transposed")).abs().max()
    assert error <= 100 * torch.finfo(dtype).eps * (1 + layer(x).abs().max())


def slow(layer, x: Tensor, transposed: bool) -> Tensor:
    """Σ over channels and taps of f(x), placed one by one."""
    weight, d = layer.weight.double(), layer.dimensions
    values = layer.synapse.functions(x)  # (M, batch, in, *space)
    y = layer.bias.double().view(1, -1, *[1] * d).expand(layer(x.to(layer.weight.dtype)).shape).clone()
    per_in, per_out = layer.in_channels // layer.groups, layer.out_channels // layer.groups
    kernel = torch.cartesian_prod(*[torch.arange(k) for k in layer.kernel_size]).view(-1, d).tolist()
    places = torch.cartesian_prod(*[torch.arange(s) for s in x.shape[2:]]).view(-1, d).tolist()
    step, pad, spread = layer.stride, layer.padding, layer.dilation
    for c in range(layer.in_channels):
        outputs = slice(c // per_in * per_out, (c // per_in + 1) * per_out)
        for k in kernel:
            if transposed:
                w = weight[(c, slice(None), slice(None), *k)]  # (M, out/groups)
            else:
                w = weight[(outputs, slice(None), c % per_in, *k)].T
            for p in places:
                q = [p[a] * step[a] + k[a] * spread[a] - pad[a] for a in range(d)]
                if not transposed:
                    q = [p[a] + pad[a] - k[a] * spread[a] for a in range(d)]
                    if any(q[a] % step[a] for a in range(d)):
                        continue
                    q = [q[a] // step[a] for a in range(d)]
                if all(0 <= q[a] < y.shape[2 + a] for a in range(d)):
                    y[(slice(None), outputs, *q)] += values[(slice(None), slice(None), c, *p)].T @ w
    return y


@pytest.mark.parametrize("segments", [2, 64])
def test_an_empty_batch_has_gradients_of_zero(segments: int) -> None:
    layer = HighOrderLinear(5, 3, "continuous", segments=segments)
    layer(torch.zeros(0, 5, requires_grad=True)).sum().backward()
    assert layer.weight.grad is not None
    assert not layer.weight.grad.any()
