"""How a layer's output is computed: one autograd function over interchangeable kernels."""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch._C._functorch import is_legacy_batchedtensor  # the vmap of is_grads_batched; nothing public tells
from torch.autograd.forward_ad import unpack_dual

from .bag import Bag
from .contraction import Call, Contraction, Gradients
from .dense import Dense
from .parameters import Parameters, product_dtype
from .product import ProductKernel


class Kernel(Protocol):
    """A way of computing layers: the seam for native kernels. Autograd sees only what `plain` does."""

    def suits(self, call: Call) -> bool:
        """Say whether this kernel can compute the call and is measured to be the fastest that can."""
        ...

    def plain(self, call: Call) -> Tensor:
        """Compute the output by differentiable operations: for compilers, transforms and second derivatives."""
        ...

    def evaluate(self, call: Call) -> Tensor:
        """Compute the output."""
        ...

    def gradients(self, call: Call, grad: Tensor, needed: Sequence[bool]) -> Gradients:
        """Give the gradients of x and of the parameters, None for those not needed."""
        ...


KERNELS: tuple[Kernel, ...] = (ProductKernel(), Bag(), Dense())
"""The kernels; the first that suits is taken. The dense one suits all but products, and is the bag's oracle."""

SMALL = 2**17
"""Features, numbers, up to which autograd keeps those of a fully connected layer: half a megabyte in float32."""


def call_of(layer: Contraction, x: Tensor) -> Call:
    """Say what computing a layer's output of x (rows, channels, *space) takes."""
    parameters = layer.own_parameters()
    return Call(layer, x, parameters, product_dtype(x, parameters.weight))


def apply(layer: Contraction, x: Tensor) -> Tensor:
    """Compute a layer's output of x (rows, channels, *space).

    For the backward pass x and the parameters alone are kept, and the features of small fully connected layers.
    """
    call = call_of(layer, x)
    kernel = next(kernel for kernel in KERNELS if kernel.suits(call))
    if _is_small(kernel, call) or _is_followed(call):
        return kernel.plain(call)
    return _Recomputed.apply(kernel, layer, call.dtype, x, *call.parameters)  # type: ignore[no-any-return]


def _is_small(kernel: Kernel, call: Call) -> bool:
    """Say whether the features of a fully connected layer may be kept: computing them again would take longer."""
    # Compilers would hold on to the batches that answer so, and keep what they choose anyway.
    if not isinstance(kernel, Dense) or call.x.dim() != 2 or torch.compiler.is_compiling():
        return False
    synapse = call.layer.synapse
    # Of functions that are constant piece by piece plain operations give no gradient, not zeros.
    return call.x.numel() * synapse.groups <= SMALL and any(map(any, synapse.basis.end_slopes))


def _is_followed(call: Call) -> bool:
    """Say whether somebody follows plain operations: compilers, which choose what to keep, transforms and traces."""
    traced = torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined]
    return traced or _transformed() or _has_tangent(call.x, *call.parameters)


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
        ctx: Any, kernel: Kernel, layer: Contraction, dtype: torch.dtype, x: Tensor, *parameters: Any
    ) -> Tensor:
        ctx.kernel, ctx.layer, ctx.dtype = kernel, layer, dtype
        ctx.save_for_backward(x, *parameters)
        return kernel.evaluate(Call(layer, x, Parameters(*parameters), dtype))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        x, *parameters = ctx.saved_tensors
        call = Call(ctx.layer, x, Parameters(*parameters), ctx.dtype)
        needed = ctx.needs_input_grad[3:]
        # With create_graph somebody will differentiate these gradients; under vmap the output's have one axis more.
        if torch.is_grad_enabled() or is_legacy_batchedtensor(grads[0]):
            return None, None, None, *_plain_gradients(ctx.kernel, call, grads[0], needed)
        return None, None, None, *ctx.kernel.gradients(call, grads[0], needed)


def _plain_gradients(kernel: Kernel, call: Call, grad: Tensor, needed: Sequence[bool]) -> Gradients:
    """Differentiate the plain operations, keeping their graph where gradients have one."""
    keep = torch.is_grad_enabled()
    tensors = (call.x, *call.parameters)
    inputs = [tensor for tensor, need in zip(tensors, needed, strict=True) if need and tensor is not None]
    with torch.enable_grad():
        y = kernel.plain(call)
    # Functions that are constant piece by piece know nothing of x: zeros, as torch gives for its own steps.
    found = iter(torch.autograd.grad(y, inputs, grad, create_graph=keep, materialize_grads=True))
    return tuple(next(found) if need else None for need in needed)
