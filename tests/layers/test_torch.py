"""What torch does with layers beside training them: assigned weights, transforms of every kind, flat parameters."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from high_order_nets import convert, refine
from high_order_nets.layers import (
    HighOrderConv1d,
    HighOrderConv2d,
    HighOrderConv3d,
    HighOrderConvTranspose1d,
    HighOrderConvTranspose2d,
    HighOrderConvTranspose3d,
    HighOrderLinear,
    HighOrderProduct,
)
from high_order_nets.layers.layer_type import families

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit")  # torch's own use of it, and what a trace is
CLASSES = {"fc": HighOrderLinear, "conv": HighOrderConv2d, "transposed": HighOrderConvTranspose2d}
SPATIAL = {
    "conv1d": HighOrderConv1d,
    "conv3d": HighOrderConv3d,
    "transposed1d": HighOrderConvTranspose1d,
    "transposed3d": HighOrderConvTranspose3d,
}
SIZES: tuple[dict[str, Any], ...] = (
    {"n": 3, "segments": 1},
    {"n": 2, "segments": 16},  # the bag's where there are segments
)
OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"parameters": "spectral"},
    {"sharing": "channel"},
    {"sharing": "deviation"},
    {"domain": "linear", "base": "silu"},
)
PRODUCTS = ("product", *(name for name in families() if name.endswith("_prod")))
CASES = [(kind, name) for name in families() for kind in (["prod"] if name in PRODUCTS else CLASSES)]
SPATIAL_CASES = [(kind, name) for kind in SPATIAL for name in ("polynomial", "continuous")]


def make(kind: str, name: str, dtype: torch.dtype = torch.float64, **options: Any) -> tuple[nn.Module, Tensor]:
    """A layer with 4 inputs and 3 outputs, and an input for it."""
    if kind in ("fc", "prod"):
        cls = HighOrderProduct if kind == "prod" else HighOrderLinear
        return cls(4, 3, name, dtype=dtype, **options), torch.randn(5, 4, dtype=dtype)
    layer = (CLASSES | SPATIAL)[kind](4, 3, 2, name, dtype=dtype, **options)
    return layer, torch.randn(2, 4, *[5 - layer.dimensions] * layer.dimensions, dtype=dtype)


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_an_assigned_weight_takes_the_transform_along(kind: str, name: str) -> None:
    real, x = make(kind, name, torch.float32)
    with torch.device("meta"):
        empty, _ = make(kind, name, torch.float32)
    empty.load_state_dict(real.state_dict(), assign=True)
    assert empty(x).equal(real(x))
    double = {key: value.double() for key, value in real.state_dict().items()}
    empty.load_state_dict(double, assign=True)
    assert empty(x.double()).equal(real.double()(x.double()))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize(("kind", "name"), [*CASES, *SPATIAL_CASES])
def test_every_way_to_differentiate_agrees(kind: str, name: str, options: dict[str, Any]) -> None:
    for size in SIZES:
        layer, x = make(kind, name, **size, **options)
        tangent = torch.randn_like(x)
        jacobian = torch.autograd.functional.jacobian(layer, x)
        torch.testing.assert_close(torch.autograd.functional.jacobian(layer, x, vectorize=True), jacobian)
        with forward_ad.dual_level():
            y = forward_ad.unpack_dual(layer(forward_ad.make_dual(x, tangent)))
        torch.testing.assert_close(y.tangent, torch.tensordot(jacobian, tangent, x.dim()))
        y, parameters = layer(x), list(layer.parameters())
        grads = torch.randn(2, *y.shape, dtype=y.dtype)
        batched = torch.autograd.grad(y, parameters, grads, is_grads_batched=True, retain_graph=True)
        for together, alone in zip(batched, torch.autograd.grad(y, parameters, grads[1]), strict=True):
            torch.testing.assert_close(together[1], alone)


def test_a_tangent_of_a_weight_is_seen() -> None:
    layer, x = make("fc", "polynomial")
    weight = layer.weight.detach()
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(weight, weight)
        y = forward_ad.unpack_dual(torch.func.functional_call(layer, {"weight": dual}, x))
    torch.testing.assert_close(y.tangent, y.primal)  # linear in the weights


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("gradients", [True, False])
@pytest.mark.parametrize(("kind", "name"), [*CASES, *SPATIAL_CASES])
def test_a_traced_layer_computes_the_same(kind: str, name: str, gradients: bool) -> None:
    for size in SIZES:
        layer, x = make(kind, name, **size)
        with torch.set_grad_enabled(gradients):
            traced = torch.jit.trace(layer, (x,))  # checks itself by a second trace, without gradients
        fewer = (x[:1] / 2).requires_grad_()
        torch.testing.assert_close(traced(fewer), layer(fewer))
        grads = [torch.autograd.grad(each(fewer).sum(), fewer)[0] for each in (traced, layer)]
        torch.testing.assert_close(*grads)


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("training", [True, False])
def test_a_traced_converted_network_computes_the_same(training: bool, tmp_path: Path) -> None:
    plain = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 5), nn.ReLU()
    )
    (net, _), x = convert(plain, "continuous", n=3, segments=2), torch.randn(2, 3, 4, 4)
    torch.jit.trace(net.train(training), (x,)).save(tmp_path / "net.pt")
    torch.testing.assert_close(torch.jit.load(tmp_path / "net.pt")(x * 2), net(x * 2))


@pytest.mark.parametrize("segments", [2, 9, 64])
@pytest.mark.parametrize(("kind", "name"), CASES)
def test_parameters_and_gradients_are_contiguous(kind: str, name: str, segments: int, tmp_path) -> None:
    layer, x = make(kind, name, n=2, segments=segments)
    layer(x).sum().backward()
    assert all(p.is_contiguous() and p.grad.is_contiguous() for p in layer.parameters())
    vector_to_parameters(parameters_to_vector(layer.parameters()) / 2, layer.parameters())
    save_file(layer.state_dict(), tmp_path / "layer.safetensors")
    optimizer = torch.optim.LBFGS(layer.parameters(), max_iter=2)

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = layer(x).square().sum()
        value.backward()
        return value

    optimizer.step(loss)


def test_a_refined_layer_lies_in_memory_as_one_built_so() -> None:
    refined = refine(HighOrderLinear(4, 3, "continuous", n=3, segments=2), segments=32)
    built = HighOrderLinear(4, 3, "continuous", n=3, segments=32)
    assert refined.weight.stride() == built.weight.stride()


@pytest.mark.parametrize("segments", [1, 2, 9])
@pytest.mark.parametrize(("kind", "name"), CASES)
@pytest.mark.parametrize("needed", [True, False])
def test_functions_of_one_node(kind: str, name: str, segments: int, needed: bool) -> None:
    if name.startswith("continuous") and segments > 1:
        with pytest.raises(ValueError, match="n=1"):
            make(kind, name, n=1, segments=segments)
        return
    layer, x = make(kind, name, n=1, segments=segments)
    x.requires_grad_(needed)
    inputs = [*layer.parameters(), *([x] if needed else [])]
    grads = torch.autograd.grad(layer(x).sum(), inputs, allow_unused=True)
    with torch.no_grad():
        values = torch.func.functional_call(layer, {}, x)
    torch.testing.assert_close(values, layer(x))
    plain = torch.func.grad(lambda *p: functional(layer, p, needed, x), tuple(range(len(inputs))))(*inputs)
    for grad, expected in zip(grads, plain, strict=True):
        torch.testing.assert_close(torch.zeros_like(expected) if grad is None else grad, expected)


def functional(layer: nn.Module, tensors: tuple[Any, ...], needed: bool, x: Tensor) -> Tensor:
    """The sum of the outputs as a function of the parameters, and of x where needed: by plain operations."""
    names = [name for name, _ in layer.named_parameters()]
    parameters = dict(zip(names, tensors, strict=False))
    return torch.func.functional_call(layer, parameters, tensors[-1] if needed else x).sum()
