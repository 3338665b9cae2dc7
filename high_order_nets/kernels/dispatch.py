"""How a layer's output is computed: one autograd function over interchangeable kernels."""

from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor
from torch._C._functorch import is_legacy_batchedtensor  # the vmap of is_grads_batched; nothing public tells
from torch.autograd.forward_ad import unpack_dual

from .bag import Bag
from .dense import Dense
from .parameters import Parameters, product_dtype

if TYPE_CHECKING:
    from ..layers.base import HighOrderLayer

Gradients = tuple[Tensor | None, ...]


class Kernel(Protocol):
    """A way of computing layers: the seam for native kernels.

    x has the shape (rows, channels, *space); `dtype` is the one that features and weights are rounded to for the
    product, and that of the output. Autograd sees only what `plain` does.
    """

    def suits(self, layer: "HighOrderLayer", x: Tensor) -> bool:
        """Say whether this kernel can compute the layer at x and is measured to be the fastest that can."""
        ...

    def plain(self, layer: "HighOrderLayer", x: Tensor, parameters: Parameters, dtype: torch.dtype) -> Tensor:
        """Compute the output by differentiable operations: for compilers, transforms and second derivatives."""
        ...

    def evaluate(self, layer: "HighOrderLayer", x: Tensor, parameters: Parameters, dtype: torch.dtype) -> Tensor:
        """Compute the output."""
        ...

    def gradients(
        self,
        layer: "HighOrderLayer",
        x: Tensor,
        parameters: Parameters,
        dtype: torch.dtype,
        grad: Tensor,
        needed: list[bool],
    ) -> Gradients:
        """Give the gradients of x and of the parameters, None for those not needed."""
        ...


KERNELS: list[Kernel] = [Dense(), Bag()]
"""The kernels; the last that suits is taken. The dense one suits everything and is every other one's oracle."""


def apply(layer: "HighOrderLayer", x: Tensor) -> Tensor:
    """Compute a layer's output of x (rows, channels, *space), keeping x and the parameters alone for the backward."""
    parameters = layer.own_parameters()
    dtype = product_dtype(x, parameters.weight)
    kernel = next(kernel for kernel in reversed(KERNELS) if kernel.suits(layer, x))
    # Compilers make their own choice of what to keep; transforms, tangents and traces follow plain operations.
    if torch.compiler.is_compiling() or _transformed() or _has_tangent(x, *parameters) or torch.jit.is_tracing():  # type: ignore[attr-defined]
        return kernel.plain(layer, x, parameters, dtype)
    return _Recomputed.apply(kernel, layer, dtype, x, *parameters)  # type: ignore[no-any-return]


def _transformed() -> bool:
    """Say whether one of torch.func's transforms runs: torch has no public question."""
    return torch._C._are_functorch_transforms_active()  # type: ignore[no-any-return]


def _has_tangent(*tensors: Tensor | None) -> bool:
    """Say whether forward-mode differentiation, by bare dual numbers, passes through one of these."""
    return any(tensor is not None and unpack_dual(tensor).tangent is not None for tensor in tensors)


class _Recomputed(torch.autograd.Function):
    """Keep x and the parameters alone, and let the kernel compute everything else again in the backward pass."""

    @staticmethod
    def forward(
        ctx: Any, kernel: Kernel, layer: "HighOrderLayer", dtype: torch.dtype, x: Tensor, *parameters: Any
    ) -> Tensor:
        ctx.kernel, ctx.layer, ctx.dtype = kernel, layer, dtype
        ctx.save_for_backward(x, *parameters)
        return kernel.evaluate(layer, x, Parameters(*parameters), dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        x, *parameters = ctx.saved_tensors
        needed = list(ctx.needs_input_grad[3:])
        arguments = (ctx.layer, x, Parameters(*parameters), ctx.dtype, grads[0], needed)
        # With create_graph somebody will differentiate these gradients; under vmap the output's have one axis more.
        if torch.is_grad_enabled() or is_legacy_batchedtensor(grads[0]):
            return None, None, None, *_plain_gradients(ctx.kernel, *arguments)
        return None, None, None, *ctx.kernel.gradients(*arguments)


def _plain_gradients(
    kernel: Kernel,
    layer: "HighOrderLayer",
    x: Tensor,
    parameters: Parameters,
    dtype: torch.dtype,
    grad: Tensor,
    needed: list[bool],
) -> Gradients:
    """Differentiate the plain operations, keeping their graph where gradients have one."""
    keep = torch.is_grad_enabled()
    inputs = [tensor for tensor, need in zip((x, *parameters), needed, strict=True) if need and tensor is not None]
    with torch.enable_grad():
        y = kernel.plain(layer, x, parameters, dtype)
    found = iter(torch.autograd.grad(y, inputs, grad, create_graph=keep, allow_unused=True))
    return tuple(next(found) if need else None for need in needed)
