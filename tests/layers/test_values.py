"""Sizes, starts and counts of layers, by torch's own layers and by hand."""

from typing import Any

import pytest
import torch
from torch import nn

from high_order_nets.layers import HighOrderConv2d, HighOrderConvTranspose2d, HighOrderLinear


@pytest.mark.filterwarnings("ignore:Using padding=.same. with even kernel")
@pytest.mark.parametrize("kernel", [(2, 2), (4, 3), (3, 4)])
@pytest.mark.parametrize("dilation", [1, 3])
@pytest.mark.parametrize("mode", ["zeros", "circular", "replicate"])
def test_an_even_kernel_pads_the_side_that_torch_pads(kernel: tuple[int, int], dilation: int, mode: str) -> None:
    # With two nodes at -1 and 1 and the values -w and w a function is the line w x: the ordinary convolution.
    options: dict[str, Any] = {"padding": "same", "dilation": dilation, "padding_mode": mode, "dtype": torch.float64}
    layer = HighOrderConv2d(2, 3, kernel, "polynomial", n=2, **options)
    theirs = nn.Conv2d(2, 3, kernel, bias=False, **options)
    with torch.no_grad():
        layer.weight.copy_(torch.stack([-theirs.weight, theirs.weight], 1))
    x = torch.randn(2, 2, 7, 8, dtype=torch.float64, requires_grad=True)
    y, expected = layer(x), theirs(x)
    torch.testing.assert_close(y, expected)
    seed = torch.randn_like(y)
    ours = torch.autograd.grad(y, (x, layer.weight), seed)
    grads = torch.autograd.grad(expected, (x, theirs.weight), seed)
    torch.testing.assert_close(ours[0], grads[0])
    torch.testing.assert_close(ours[1][:, 1] - ours[1][:, 0], grads[1])


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_a_strided_transposed_convolution_starts_at_unit_variance(stride: int) -> None:
    layer = HighOrderConvTranspose2d(32, 32, 4, "polynomial", n=3, stride=stride)
    inside = layer(torch.randn(8, 32, 16, 16))[..., 4:-4, 4:-4]
    assert float(inside.detach().std()) == pytest.approx(1.0, abs=0.1)


def test_output_sizes_are_those_that_a_stride_leaves_open() -> None:
    layer = HighOrderConvTranspose2d(1, 1, 3, "polynomial", stride=2, padding=1)
    theirs = torch.nn.ConvTranspose2d(1, 1, 3, stride=2, padding=1)
    x = torch.randn(1, 1, 5, 5)
    for size in range(7, 13):
        if size in (9, 10):
            assert layer(x, output_size=[size, size]).shape == theirs(x, output_size=[size, size]).shape
            continue
        for call in (layer, theirs):
            with pytest.raises(ValueError, match=r"output"):
                call(x, output_size=[size, size])


@pytest.mark.parametrize(
    ("sharing", "bias", "redundant"),
    # 5 inputs, 3 neurons. A function's constant is one of its weights; a neuron needs one, which a bias may be.
    [
        *(("synapse", True, 15), ("synapse", False, 12), ("channel", True, 5)),
        *(("channel", False, 2), (1, True, 1), (1, False, 0)),
        *(("deviation", True, 6), ("deviation", False, 3)),  # the master's too
    ],
)
def test_redundant_parameters(sharing: str | int, bias: bool, redundant: int) -> None:
    layer = HighOrderLinear(5, 3, "polynomial", n=3, sharing=sharing, bias=bias)
    assert layer.redundant_parameters == redundant
