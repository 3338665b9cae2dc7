"""Every kernel computes what plain operations do, and each layer has one that suits."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from high_order_nets import refine
from high_order_nets.kernels.bag import SEGMENTS, Bag
from high_order_nets.kernels.dense import Dense
from high_order_nets.kernels.dispatch import KERNELS, Kernel, call_of
from high_order_nets.kernels.product import ProductKernel
from high_order_nets.layers import HighOrderConv2d, HighOrderLinear, HighOrderProduct

LAYERS: dict[type, Any] = {
    ProductKernel: lambda: HighOrderProduct(5, 4, "polynomial", n=3, bias=True),
    Bag: lambda: HighOrderLinear(5, 4, "continuous", n=3, segments=SEGMENTS, parameters="nodal", bias=True),
    Dense: lambda: HighOrderConv2d(5, 4, 3, "fourier", n=4, padding=1, bias=True),
}
"""By kernel, a layer that it is for."""


def inputs(layer: nn.Module) -> Tensor:
    space = (6, 6) if isinstance(layer, HighOrderConv2d) else ()
    return torch.rand(7, 5, *space, dtype=torch.float64) * 2 - 1


def test_each_kernel_is_here() -> None:
    assert [type(kernel) for kernel in KERNELS] == list(LAYERS)


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: type(kernel).__name__)
def test_a_kernel_computes_what_plain_operations_do(kernel: Kernel) -> None:
    layer = LAYERS[type(kernel)]().double()
    x = inputs(layer).requires_grad_()
    call = call_of(layer, x)
    assert next(each for each in KERNELS if each.suits(call)) is kernel
    y = kernel.plain(call)
    torch.testing.assert_close(kernel.evaluate(call), y)
    grad = torch.randn_like(y)
    tensors = [x, *(each for each in call.parameters if each is not None)]
    expected = torch.autograd.grad(y, tensors, grad)
    needed = [True, *(each is not None for each in call.parameters)]
    with torch.no_grad():
        found = [each for each in kernel.gradients(call, grad, needed) if each is not None]
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_all_but_products_may_go_the_dense_way() -> None:
    layer = LAYERS[Bag]().double()
    call = call_of(layer, inputs(layer))
    torch.testing.assert_close(Bag().evaluate(call), Dense().evaluate(call))


def test_a_refined_layer_lies_in_memory_as_a_built_one() -> None:
    start = nn.Sequential(HighOrderLinear(5, 4, "continuous", n=3, segments=SEGMENTS // 2, parameters="nodal"))
    refined: Any = refine(start, segments=SEGMENTS)[0]
    built: Any = HighOrderLinear(5, 4, "continuous", n=3, segments=SEGMENTS, parameters="nodal")
    assert refined.weight.stride() == built.weight.stride()
    assert Bag().suits(call_of(refined, torch.rand(7, 5)))


@pytest.mark.parametrize("create_graph", [False, True])
def test_steps_have_derivative_zero(create_graph: bool) -> None:
    layer = HighOrderLinear(5, 4, "discontinuous", n=1, segments=3)
    x = torch.rand(7, 5, requires_grad=True)
    (found,) = torch.autograd.grad(layer(x).sum(), x, create_graph=create_graph)
    assert torch.equal(found, torch.zeros_like(x))
