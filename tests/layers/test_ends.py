"""domain=slopes: beyond the ends of the interval every function goes on as a line of its own."""

from typing import Any

import pytest
import torch

from high_order_nets import coarsen, update_interval
from high_order_nets.basis import Basis
from high_order_nets.conversion.counting import count_parameters
from high_order_nets.conversion.refine import refine
from high_order_nets.errors import UserError
from high_order_nets.layers import (
    HighOrderConv2d,
    HighOrderLayer,
    HighOrderLinear,
    HighOrderProduct,
    HighOrderTensorProduct,
    make_synapse,
)
from high_order_nets.layers.init import STARTS
from high_order_nets.plots.functions import learned_functions

X = torch.linspace(-5, 5, 61, dtype=torch.float64)[:, None]
OPTIONS: list[dict[str, Any]] = [
    {"parameters": "nodal"},
    {"parameters": "spectral"},
    {"parameters": "nodal", "sharing": "channel"},
    {"parameters": "spectral", "sharing": 1},
    {"parameters": "spectral", "sharing": "deviation"},
]


def linear(layer_type: str = "polynomial", inputs: int = 1, **options: Any) -> HighOrderLinear:
    known = {"n": 4, "scale": 4.0, "domain": "slopes", "dtype": torch.float64}
    return HighOrderLinear(inputs, 2, layer_type, **(known | options))


def slopes(layer: HighOrderLayer) -> torch.Tensor:
    """The weights of the slopes, (2, …)."""
    functions = layer.own_parameters().functions
    return layer.weight[:, -2:].movedim(1, 0) if functions is None else functions[-2:]


def drawn(layer: HighOrderLayer) -> None:
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_()


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("layer_type", Basis.registry)
def test_beyond_the_ends_there_are_lines_of_these_slopes(layer_type: str, options: dict[str, Any]) -> None:
    layer = linear(layer_type, **options)
    drawn(layer)
    ends = torch.tensor([[-2.0], [2.0]], dtype=torch.float64)
    left, right = slopes(layer)
    v = layer.weight[:, 0] if layer.shape is not None else 1.0
    at = layer(ends)
    y, x = layer(X), X.flatten()
    torch.testing.assert_close(y[x < -2], at[0] + (X[x < -2] + 2) * (left * v).flatten())
    torch.testing.assert_close(y[x > 2], at[1] + (X[x > 2] - 2) * (right * v).flatten())
    inside = linear(layer_type, domain="clamp", **options)
    cut = ("weight",) if layer.shape is None else ("shape", "master")
    state = layer.state_dict()
    for key in state.keys() & {*cut}:
        state[key] = state[key][:, :-2] if key == "weight" else state[key][:-2]
    inside.load_state_dict(state)
    within = X[x.abs() <= 2]
    torch.testing.assert_close(layer(within), inside(within))


@pytest.mark.parametrize("layer_type", Basis.registry)
def test_a_start_goes_on_as_what_it_stands_for(layer_type: str) -> None:
    synapse = make_synapse(layer_type, n=5, segments=2, scale=4.0, domain="slopes")
    two = torch.tensor(2.0, dtype=torch.float64)
    steep = float(torch.sigmoid(two) * (1 + 2 * (1 - torch.sigmoid(two))))  # of silu at 2
    for init, wanted in (("linear", [1, 1]), ("relu", [0, 1]), ("silu", [1 - steep, steep])):
        assert STARTS[init](synapse, 1)[0][-2:, 0].tolist() == pytest.approx(wanted)
    torch.manual_seed(4)
    functions, _ = STARTS["mixed"](synapse, 3)
    torch.manual_seed(4)
    slope, bend = (torch.randn(3, dtype=torch.float64) for _ in range(2))
    torch.testing.assert_close(functions[-2], 0.5 + 0.25 * slope - 0.5 * bend)  # (½ + ¼ε) x + ½ε' (|x| - ½)
    torch.testing.assert_close(functions[-1], 0.5 + 0.25 * slope + 0.5 * bend)


@pytest.mark.parametrize("init", ["variance_preserving", "uniform"])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_drawn_functions_go_on_as_their_tangents(init: str, options: dict[str, Any]) -> None:
    torch.manual_seed(5)
    layer = linear(init=init, inputs=3, **options)
    torch.manual_seed(5)
    tangents = linear(init=init, inputs=3, **options, domain="linear")
    x = 4 * torch.randn(9, 3, dtype=torch.float64)
    torch.testing.assert_close(layer(x), tangents(x), rtol=1e-5, atol=1e-5)  # shared ones are drawn in float32


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_gradients(options: dict[str, Any]) -> None:
    conv = HighOrderConv2d(
        2,
        3,
        2,
        "continuous",
        n=3,
        segments=2,
        domain="slopes",
        periodicity=7.0,
        padding=1,
        dtype=torch.float64,
        **options,
    )
    drawn(conv)
    names = [name for name, _ in conv.named_parameters()]

    def given(x: torch.Tensor, *parameters: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(conv, dict(zip(names, parameters, strict=True)), x)

    x = (3 * torch.randn(1, 2, 3, 3, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(given, (x, *conv.parameters()), fast_mode=True)
    assert torch.autograd.gradgradcheck(given, (x, *conv.parameters()), fast_mode=True)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_refinement_keeps_the_slopes(options: dict[str, Any]) -> None:
    layer = linear(inputs=3, **options)
    drawn(layer)
    x = 4 * torch.randn(40, 3, dtype=torch.float64)
    other = "spectral" if options["parameters"] == "nodal" else "nodal"
    targets: list[dict[str, Any]] = [
        {"n": 6},
        {"n": 5, "segments": 2, "layer_type": "continuous"},
        {"parameters": other},
    ]
    for target in targets:
        torch.testing.assert_close(refine(layer, **target)(x), layer(x))
    if layer.shape is not None:
        torch.testing.assert_close(refine(layer, sharing="synapse")(x), layer(x))
    coarse, report = coarsen(refine(layer, n=7), n=4)
    torch.testing.assert_close(coarse(x), layer(x))
    assert report.relative < 1e-9


def test_parameters_are_two_more_a_function() -> None:
    for options, functions in ((OPTIONS[0], 6), (OPTIONS[1], 6), (OPTIONS[2], 3), (OPTIONS[3], 1), (OPTIONS[4], 4)):
        with_slopes, without = linear(inputs=3, **options), linear(inputs=3, **options, domain="clamp")
        assert count_parameters(with_slopes) - count_parameters(without) == 2 * functions
        assert with_slopes.redundant_parameters == without.redundant_parameters


def test_products_and_tensor_products_have_them_too() -> None:
    product = HighOrderProduct(2, 1, "polynomial", n=3, domain="slopes", dtype=torch.float64)
    drawn(product)
    x = torch.tensor([[3.0, -4.0]], dtype=torch.float64)
    f = torch.stack(
        [
            w[:3] @ product.synapse.basis.functions(e) + w[3:] @ b
            for w, e, b in (
                (product.weight[0, :, 0], torch.tensor(1.0).double(), torch.tensor([0.0, 2.0]).double()),
                (product.weight[0, :, 1], torch.tensor(-1.0).double(), torch.tensor([-3.0, 0.0]).double()),
            )
        ]
    )
    torch.testing.assert_close(product(x).flatten(), f.prod()[None] + f.sum())
    plane = HighOrderTensorProduct(2, 1, "polynomial", n=3, domain="slopes", dtype=torch.float64)
    points = 6 * torch.rand(20, 2, dtype=torch.float64) - 3
    a = torch.linalg.lstsq(points[:10], plane(points[:10])).solution
    torch.testing.assert_close(plane(points), points @ a)  # a plane, beyond the ends too


def test_what_is_drawn_and_what_is_refused() -> None:
    layer = linear(parameters="spectral", inputs=2)
    drawn(layer)
    shown = learned_functions(layer, 10)
    x = X.flatten()
    with torch.no_grad():
        pairs = torch.stack([x, torch.zeros_like(x)], 1)
        wanted = layer(pairs) - layer(torch.zeros(1, 2, dtype=torch.float64))
    found = (shown(x) - shown.offset())[::2]
    torch.testing.assert_close(found, wanted.T)
    nodes = shown.nodes()
    assert nodes is not None
    torch.testing.assert_close(nodes[1], shown(nodes[0]))
    with pytest.raises(UserError, match="domain=slopes: its slopes beyond the ends"):
        update_interval(layer, torch.randn(9, 2, dtype=torch.float64))
    assert make_synapse("fourier", domain="slopes").weights == 5
