"""The seed's helpers against those of high-order-layers-torch 2.6.0 in float64, where it is right.

Its default dtype is made float64 and its denominators, float32 by themselves, are computed again. Measured, forward and
both gradients, largest difference relative to the largest value:

- Right: polynomial, continuous, discontinuous and fourier, fully connected and conv2d, with stride, padding, padding
  modes, dilation, rescale_output and periodicity; polynomial, continuous and discontinuous conv1d with groups too;
  continuous conv2d transposed; polynomials of any length; products at α = 1, `product` at any α.
- Wrong or impossible, shown by `test_where_the_peer_departs` and tested against the formulas elsewhere: piecewise
  functions of a length other than 2; products' α; fourier's periodicity; rescale_output in conv1d; groups in conv2d.
  polynomial_prod and fourier1d cannot be constructed.
"""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from high_order_nets import layers

peer = pytest.importorskip("high_order_layers_torch.layers", reason="high-order-layers-torch is not installed")
from high_order_layers_torch.LagrangePolynomial import LagrangeBasis  # noqa: E402

TOLERANCE = 1e-10
POLYNOMIALS = [("polynomial", {"n": n}) for n in range(1, 7)]
FOURIER = [("fourier", {"n": n, "length": 3.0}) for n in (1, 2, 3, 6)]
CONTINUOUS = [("continuous", {"n": n, "segments": s}) for n, s in ((2, 1), (3, 2), (5, 3), (2, 8), (3, 16))]
DISCONTINUOUS = [("discontinuous", {"n": n, "segments": s}) for n, s in ((1, 4), (3, 2), (5, 3), (2, 8), (3, 16))]
LONG = [("polynomial", {"n": 4, "length": 3.5})]
FOLDED = [(name, {"n": 3, "segments": 2, "periodicity": 1.5}) for name in ("polynomial", "continuous", "discontinuous")]
LAGRANGE = POLYNOMIALS + CONTINUOUS + DISCONTINUOUS + LONG + FOLDED
ALL = LAGRANGE + FOURIER


@pytest.fixture(autouse=True)
def in_float64(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the peer compute in float64."""

    def denominators(self: Any) -> Tensor:
        return (self.X[:, None] - self.X).fill_diagonal_(1)

    monkeypatch.setattr(LagrangeBasis, "_compute_denominators", denominators)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def build(helper: Callable[..., nn.Module], name: str, **options: Any) -> nn.Module:
    """Build a layer of the peer with weights that are not all constants; it warns of its own deprecated calls."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layer = helper(layer_type=name, **options)
    nn.init.normal_(weight_of(layer))
    return layer


def weight_of(layer: nn.Module) -> nn.Parameter:
    return next(weight for name, weight in layer.named_parameters() if name in ("w", "conv.weight"))


def synapse_options(options: dict[str, Any]) -> dict[str, Any]:
    """Translate the peer's names."""
    return {"scale" if name == "length" else name: value for name, value in options.items()}


def outcome(run: Callable[[Tensor], Tensor], weight: Tensor, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Give the output and the gradients of x and the weight, for a gradient of the output that is not constant."""
    x = x.clone().requires_grad_()
    y = run(x)
    x_grad, weight_grad = torch.autograd.grad(
        y, [x, weight], torch.linspace(-1, 1, y.numel()).view_as(y), materialize_grads=True
    )
    return y.detach(), x_grad, weight_grad


def difference(ours: tuple[Tensor, ...], theirs: tuple[Tensor, ...]) -> float:
    """Give the largest difference relative to the largest value."""
    return max(
        ((own - other).abs().max() / other.abs().max().clamp(min=1e-3)).item()
        for own, other in zip(ours, theirs, strict=True)
    )


def linear_difference(name: str, options: dict[str, Any]) -> float:
    theirs = build(peer.high_order_fc_layers, name, in_features=5, out_features=7, **options)
    ours = layers.high_order_fc_layers(name, in_features=5, out_features=7, **synapse_options(options))
    w = weight_of(theirs)  # (out, in, M)
    ours.weight.data.copy_(w.movedim(2, 1))
    x = torch.empty(30, 5).uniform_(-1.3, 1.3)
    y, x_grad, w_grad = outcome(theirs, w, x)
    return difference(outcome(ours, ours.weight, x), (y, x_grad, w_grad.movedim(2, 1)))


def conv_difference(dimensions: int, name: str, options: dict[str, Any], **conv: Any) -> float:
    sizes = {"in_channels": 4, "out_channels": 6, "kernel_size": 3} | conv
    theirs = build(peer.high_order_convolution_layers, f"{name}{dimensions}d", **sizes, **options)
    ours = layers.high_order_convolution_layers(f"{name}{dimensions}d", **sizes, **synapse_options(options))

    def translated(w: Tensor) -> Tensor:
        """(out, in·M, *k) → (out, M, in, *k)."""
        return w.unflatten(1, (ours.weight.shape[2], -1)).transpose(1, 2)

    w = weight_of(theirs)
    ours.weight.data.copy_(translated(w))
    x = torch.empty(3, 4, *[7] * dimensions).uniform_(-1.3, 1.3)
    y, x_grad, w_grad = outcome(theirs, w, x)
    return difference(outcome(ours, ours.weight, x), (y, x_grad, translated(w_grad)))


@pytest.mark.parametrize(("name", "options"), ALL)
def test_linear(name: str, options: dict[str, Any]) -> None:
    assert linear_difference(name, options) <= TOLERANCE


@pytest.mark.parametrize(("name", "options"), LAGRANGE)
def test_conv1d(name: str, options: dict[str, Any]) -> None:
    assert conv_difference(1, name, options, stride=2, padding=2) <= TOLERANCE


@pytest.mark.parametrize(("name", "options"), ALL)
def test_conv2d(name: str, options: dict[str, Any]) -> None:
    assert conv_difference(2, name, options) <= TOLERANCE


@pytest.mark.parametrize("conv", [{"stride": 2, "padding": 1}, {"dilation": 2, "padding": "same"}, {"padding": (2, 0)}])
@pytest.mark.parametrize(("name", "options"), [POLYNOMIALS[2], CONTINUOUS[1], DISCONTINUOUS[1], FOURIER[2]])
def test_conv2d_padded_and_strided(name: str, options: dict[str, Any], conv: dict[str, Any]) -> None:
    assert conv_difference(2, name, options, **conv) <= TOLERANCE


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_conv2d_padding_modes(mode: str) -> None:
    assert conv_difference(2, "continuous", {"n": 3, "segments": 2}, padding=1, padding_mode=mode) <= TOLERANCE


@pytest.mark.parametrize(("name", "options"), [POLYNOMIALS[2], CONTINUOUS[1], DISCONTINUOUS[1], FOURIER[2]])
def test_conv2d_rescaled(name: str, options: dict[str, Any]) -> None:
    assert conv_difference(2, name, options | {"rescale_output": True}) <= TOLERANCE


@pytest.mark.parametrize(("name", "options"), [POLYNOMIALS[2], CONTINUOUS[1], DISCONTINUOUS[1]])
def test_conv1d_groups(name: str, options: dict[str, Any]) -> None:
    assert conv_difference(1, name, options, groups=2) <= TOLERANCE


def test_conv_transpose2d() -> None:
    sizes: dict[str, Any] = {"in_channels": 4, "out_channels": 6, "kernel_size": 3}
    sizes |= {"stride": 2, "padding": 1, "output_padding": 1}
    theirs = build(peer.high_order_convolution_transpose_layers, "continuous2d", n=3, segments=2, **sizes)
    ours = layers.high_order_convolution_transpose_layers("continuous2d", n=3, segments=2, **sizes)
    w = weight_of(theirs)  # (in·M, out, *k)
    ours.weight.data.copy_(w.unflatten(0, (4, -1)))
    x = torch.empty(3, 4, 5, 5).uniform_(-1.3, 1.3)
    y, x_grad, w_grad = outcome(theirs, w, x)
    assert difference(outcome(ours, ours.weight, x), (y, x_grad, w_grad.unflatten(0, (4, -1)))) <= TOLERANCE


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_product(alpha: float) -> None:
    theirs = peer.high_order_fc_layers("product", in_features=5, out_features=7, alpha=alpha)
    ours = layers.high_order_fc_layers("product", in_features=5, out_features=7, alpha=alpha)
    assert ours.bias is not None
    ours.bias.data.copy_(theirs.bias)
    ours.weight.data.copy_(theirs.weight.unsqueeze(1))  # (out, 1, in)
    x = torch.randn(11, 5)
    y, x_grad, w_grad = outcome(theirs, theirs.weight, x)
    assert difference(outcome(ours, ours.weight, x), (y, x_grad, w_grad.unsqueeze(1))) <= TOLERANCE


@pytest.mark.parametrize("name", ["continuous_prod", "discontinuous_prod"])
def test_product_layers(name: str) -> None:
    assert linear_difference(name, {"n": 3, "segments": 2, "alpha": 1.0}) <= TOLERANCE


def test_where_the_peer_departs() -> None:
    """Know it when the peer is mended: then these belong to the oracle."""
    length = {"n": 3, "segments": 2, "length": 3.0}
    assert linear_difference("continuous", length) > 1e-3
    assert linear_difference("discontinuous", length) > 1e-3
    assert conv_difference(2, "continuous", length) > 1e-3
    assert linear_difference("fourier", {"n": 3, "periodicity": 1.0}) > 1e-3
    assert conv_difference(2, "fourier", {"n": 3, "periodicity": 1.0}) > 1e-3
    assert conv_difference(1, "polynomial", {"n": 3, "rescale_output": True}) > 1e-3
    assert linear_difference("continuous_prod", {"n": 3, "segments": 2, "alpha": 0.5}) > 1e-3


@pytest.mark.parametrize(
    ("helper", "options"),
    [
        ("fc", {"layer_type": "polynomial_prod", "in_features": 3, "out_features": 4}),
        ("convolution", {"layer_type": "fourier1d", "in_channels": 3, "out_channels": 4, "kernel_size": 3}),
        (
            "convolution",
            {"layer_type": "polynomial2d", "in_channels": 4, "out_channels": 4, "kernel_size": 3, "groups": 2},
        ),
        ("convolution", {"layer_type": "polynomial2d", "in_channels": 4, "out_channels": 4, "kernel_size": (3, 3)}),
    ],
)
def test_what_the_peer_cannot_construct(helper: str, options: dict[str, Any]) -> None:
    with pytest.raises((TypeError, AttributeError, RuntimeError)):
        build(getattr(peer, f"high_order_{helper}_layers"), options.pop("layer_type"), n=3, **options)
