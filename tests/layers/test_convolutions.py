"""Convolutions against torch's own, forward and backward, in every setting that moves an index."""

from contextlib import suppress
from itertools import product
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from high_order_nets.layers import (
    HighOrderConv1d,
    HighOrderConv2d,
    HighOrderConvTranspose1d,
    HighOrderConvTranspose2d,
    HighOrderLinear,
)
from high_order_nets.layers.base import HighOrderLayer

pytestmark = pytest.mark.filterwarnings("ignore:Using padding=.same. with even kernel")


def lines(layer: HighOrderLayer) -> Tensor:
    """Make each function of two nodes, at -1 and 1, a line through 0; return the ordinary weight."""
    weight = torch.randn_like(layer.weight[:, 0])
    with torch.no_grad():
        layer.weight.copy_(torch.stack([-weight, weight], 1))
    return weight


def check(layer: HighOrderLayer, x: Tensor, ordinary: Any) -> None:
    """Compare the output and the gradients of x and of the weight with those of the ordinary layer."""
    weight = lines(layer).requires_grad_()
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    y, expected = layer(ours), ordinary(theirs, weight)
    torch.testing.assert_close(y, expected)
    seed = torch.randn_like(expected)
    found = torch.autograd.grad(y, [ours, layer.weight], seed)
    wanted = torch.autograd.grad(expected, [theirs, weight], seed)
    torch.testing.assert_close(found[0], wanted[0])
    # f(x) = w_0 (1 - x)/2 + w_1 (1 + x)/2: a line's slope is (w_1 - w_0)/2.
    torch.testing.assert_close(found[1][:, 1] - found[1][:, 0], wanted[1])


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("kernel", [(2, 2), (4, 3), (3, 2)])
@pytest.mark.parametrize("dilation", [1, (2, 1)])
def test_an_even_kernel_pads_the_side_that_torch_pads(kernel: tuple[int, int], dilation: Any, mode: str) -> None:
    options: dict[str, Any] = {"padding": "same", "dilation": dilation, "dtype": torch.float64, "padding_mode": mode}
    layer = HighOrderConv2d(2, 3, kernel, "polynomial", n=2, **options)
    plain = torch.nn.Conv2d(2, 3, kernel, bias=False, **options)
    x = torch.randn(2, 2, 7, 8, dtype=torch.float64)
    check(layer, x, lambda x, w: torch.func.functional_call(plain, {"weight": w}, (x,)))


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups"),
    [(1, 0, 1, 1), (2, 1, 1, 2), ((2, 1), (0, 2), (1, 3), 1), (3, "valid", 2, 2), (2, (2, 1), (3, 1), 4)],
)
def test_convolutions_of_lines_are_torchs(stride: Any, padding: Any, dilation: Any, groups: int) -> None:
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    layer = HighOrderConv2d(4, 8, (3, 2), "polynomial", n=2, dtype=torch.float64, **options)
    check(layer, torch.randn(2, 4, 9, 11, dtype=torch.float64), lambda x, w: F.conv2d(x, w, **options))


@pytest.mark.parametrize(
    ("stride", "padding", "output_padding", "dilation", "groups"),
    [(1, 0, 0, 1, 1), (2, 1, 1, 1, 2), ((3, 2), (0, 1), (2, 0), (1, 2), 1), (2, (1, 0), (0, 1), (2, 3), 4)],
)
def test_transposed_convolutions_of_lines_are_torchs(
    stride: Any, padding: Any, output_padding: Any, dilation: Any, groups: int
) -> None:
    options = {"stride": stride, "padding": padding, "output_padding": output_padding}
    options |= {"groups": groups, "dilation": dilation}
    layer = HighOrderConvTranspose2d(4, 8, (3, 2), "polynomial", n=2, dtype=torch.float64, **options)
    check(layer, torch.randn(2, 4, 5, 6, dtype=torch.float64), lambda x, w: F.conv_transpose2d(x, w, **options))


@pytest.mark.parametrize(("stride", "padding", "dilation"), [(1, 0, 1), (2, 1, 1), ((2, 3), (1, 0), (3, 1))])
def test_output_sizes_are_all_that_torch_can_make(stride: Any, padding: Any, dilation: Any) -> None:
    options = {"stride": stride, "padding": padding, "dilation": dilation}
    layer = HighOrderConvTranspose2d(1, 1, (3, 2), "polynomial", **options)
    x, weight = torch.randn(1, 1, 4, 3), torch.randn(1, 1, 3, 2)
    possible = set()
    for more in product(range(4), repeat=2):
        with suppress(RuntimeError):  # output padding must be smaller than either stride or dilation
            possible.add(tuple(F.conv_transpose2d(x, weight, output_padding=more, **options).shape[2:]))
    for size in product(range(2, 18), repeat=2):
        if size in possible:
            assert layer(x, output_size=[1, 1, *size]).shape[2:] == size
            continue
        with pytest.raises(ValueError, match=r"up to a stride more"):
            layer(x, output_size=list(size))
    least = F.conv_transpose2d(x, weight, **options).shape[2:]
    assert layer(x[0], output_size=list(least)).shape[1:] == least
    assert layer.output_padding == (0, 0)  # as before


def test_an_output_size_that_cannot_be_is_named() -> None:
    layer = HighOrderConvTranspose1d(1, 1, 3, "polynomial", stride=2)
    with pytest.raises(ValueError, match=r"^output_size=\[3\]: axis 0 can be 7 and up to a stride more$"):
        layer(torch.zeros(1, 1, 3), output_size=[3])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: HighOrderConv2d(2, 2, (1, 2, 3), "polynomial"), r"^\(1, 2, 3\): expected one number or 2 of them$"),
        (
            lambda: HighOrderConv1d(4, 6, 1, "polynomial", groups=4),
            "^groups=4: must divide in_channels=4 and out_channels=6$",
        ),
        (lambda: HighOrderConv1d(6, 4, 1, "polynomial", groups=4), "^groups=4: must divide"),
        (lambda: HighOrderConv1d(2, 2, 1, "polynomial", groups=0), "^groups=0: must divide"),
        (
            lambda: HighOrderConv1d(2, 2, 1, "polynomial", padding_mode="mirror"),
            "^padding_mode='mirror': expected one of zeros, reflect, replicate, circular$",
        ),
        (
            lambda: HighOrderConv1d(2, 2, 1, "polynomial", padding="full"),
            "^padding='full': expected a number, same or valid$",
        ),
        (
            lambda: HighOrderConv2d(2, 2, 1, "polynomial", padding="same", stride=(1, 2)),
            r"^padding='same' with stride=\(1, 2\): the size can only stay the same at stride 1$",
        ),
        (
            lambda: HighOrderConvTranspose1d(2, 2, 1, "polynomial", padding_mode="reflect"),
            "^padding_mode='reflect': transposed convolutions know zeros alone, as torch's do$",
        ),
        (
            lambda: HighOrderLinear(4, 2, "polynomial", sharing=3),
            "^sharing=3: must divide the layer's 4 input channels$",
        ),
    ],
)
def test_sizes_that_cannot_be_are_named(make: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()


@pytest.mark.parametrize("layer", [HighOrderConv2d, HighOrderConvTranspose2d])
def test_images_of_another_shape_are_refused(layer: Any) -> None:
    made = layer(3, 2, 1, "polynomial")
    for shape in ((1, 2, 4, 4), (3, 4), (1, 1, 3, 4, 4)):
        said = rf"^x of shape \({', '.join(map(str, shape))}\): expected \(batch, 3, \*space\) with 2 axes of space$"
        with pytest.raises(ValueError, match=said):
            made(torch.zeros(shape))
    with pytest.raises(ValueError, match=r"^x of shape \(2, 3\): expected \(…, 4\)$"):
        HighOrderLinear(4, 1, "polynomial")(torch.zeros(2, 3))


def constants(layer: HighOrderLayer) -> HighOrderLayer:
    """Make each function the constant 1."""
    with torch.no_grad():
        layer.weight.fill_(1.0)
    return layer


def test_constants_count_the_taps_that_are_there() -> None:
    x = torch.zeros(1, 2, 5)
    made = constants(HighOrderConv1d(2, 1, 3, "polynomial", n=1, padding=1))
    assert made(x).flatten().tolist() == [4, 6, 6, 6, 4]
    assert not made.constants_add_up
    made = constants(HighOrderConv1d(2, 1, 2, "polynomial", n=1, padding="same"))
    assert made(x).flatten().tolist() == [4, 4, 4, 4, 2]  # the odd one is padded on the right
    assert not made.constants_add_up
    made = constants(HighOrderConv1d(2, 1, 3, "polynomial", n=1, padding=1, padding_mode="circular"))
    assert made(x).flatten().tolist() == [6] * 5
    assert made.constants_add_up
    made = constants(HighOrderConvTranspose1d(2, 1, 3, "polynomial", n=1, stride=2, output_padding=1))
    assert made(x[..., :3]).flatten().tolist() == [2, 2, 4, 2, 4, 2, 2, 0]
    assert not made.constants_add_up
    assert HighOrderConvTranspose1d(2, 1, 3, "polynomial", padding=2).constants_add_up
    assert not HighOrderConvTranspose1d(2, 1, 3, "polynomial", padding=1).constants_add_up
    assert not HighOrderConvTranspose1d(2, 1, 3, "polynomial", padding=2, stride=2).constants_add_up
    assert not HighOrderConvTranspose1d(2, 1, 2, "polynomial", padding=2, dilation=3).constants_add_up
    assert HighOrderLinear(2, 1, "polynomial").constants_add_up


def test_sums_of_a_neurons_constants() -> None:
    linear = HighOrderLinear(3, 2, "polynomial")
    assert linear.neuron_sums(torch.tensor([[1.0, 2, 3], [4, 5, 6]])).tolist() == [6, 15]
    conv = HighOrderConv1d(2, 2, 2, "polynomial")
    assert conv.neuron_sums(torch.arange(8.0).view(2, 2, 2)).tolist() == [6, 22]
    # (in, out/groups, k): a group's inputs add up; of 3 taps a stride of 2 lets 3/2 reach a place on average.
    transposed = HighOrderConvTranspose1d(4, 2, 3, "polynomial", groups=2, stride=2)
    assert transposed.inputs == (4, 2, 6, 3.0)
    constants = torch.tensor([1.0, 2, 3, 4])[:, None, None].expand(4, 1, 3)
    assert transposed.neuron_sums(constants).tolist() == [(1 + 2) * 3 / 2, (3 + 4) * 3 / 2]
    assert HighOrderConv2d(4, 2, (3, 2), "polynomial", groups=2).inputs == (4, 2, 12, 12)
    assert linear.inputs == (3, 1, 3, 3)
