"""The kernel of neurons that multiply."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .contraction import Call, Gradients
from .parameters import Parameters, without_autocast

PIECE = 2**22
"""Functions evaluated at a time: 16 MB in float32."""


def balanced_product(factors: Tensor) -> Tensor:
    """Multiply along the last axis, (…, N) → (…), as a tree of pairs, each scaled before it is multiplied.

    A plain product of many factors overflows or vanishes half way although the result would not. The
    scales are powers of two, so that no digit is lost, and constants of the gradient, which stays exact where a
    factor is 0. A result beyond the dtype's range is inf.
    """
    wide = factors.to(torch.promote_types(factors.dtype, torch.float32))
    wide, exponent = _scaled(wide)
    exponent = exponent.sum(-1)
    while wide.shape[-1] > 1:
        if wide.shape[-1] % 2:
            wide = torch.cat([wide, torch.ones_like(wide[..., :1])], -1)
        wide, power = _scaled(wide[..., 0::2] * wide[..., 1::2])
        exponent = exponent + power.sum(-1)
    # In two halves: 2^exponent alone may be out of range where the result is not.
    half = exponent // 2
    product = wide[..., 0] * torch.exp2(half.to(wide.dtype)) * torch.exp2((exponent - half).to(wide.dtype))
    return product.to(factors.dtype)


def _scaled(x: Tensor) -> tuple[Tensor, Tensor]:
    """Split x = mantissa · 2^power, power an integer that the dtype can hold as a scale."""
    limit = 126 if x.dtype == torch.float32 else 1022
    power = torch.frexp(x.detach())[1].clamp(-limit, limit)
    return x * torch.exp2(-power.to(x.dtype)), power


def product_neuron(f: Tensor, alpha: float) -> Tensor:
    """-1 + Π_i (1 + f_i) - (1 - α) Σ_i f_i along the last axis: (…, N) → (…)."""
    return balanced_product(1 + f) - 1 - (1 - alpha) * f.sum(-1)


class ProductKernel:
    """Evaluate every function at every input, (rows, out, in), for some rows at a time; autograd does the rest."""

    def suits(self, call: Call) -> bool:
        """Say yes to product neurons."""
        return call.layer.synapse.neuron == "product"

    def plain(self, call: Call) -> Tensor:
        """Compute the output by plain differentiable operations."""
        layer, x, parameters, dtype = call
        with without_autocast(x):
            wide = torch.promote_types(x.dtype, torch.float32)
            kernel, constants = layer.kernel(parameters).to(wide), layer.constants(parameters)
            features = layer.expand(x, layer.mixture(parameters)).features(wide)
            terms = list(features.unflatten(1, (kernel.shape[1], -1)).unbind(1))  # (rows, in) each
            slopes = list(kernel.unbind(1))  # (out, in) each
            base = F.linear(terms.pop(), slopes.pop()) if layer.synapse.base else None
            f = torch.zeros_like(slopes[0]) if constants is None else constants.to(wide)
            for term, slope in zip(terms, slopes, strict=True):
                f = torch.addcmul(f, term.unsqueeze(1), slope)
            y = product_neuron(f, layer.synapse.alpha)
            for part in (base, parameters.bias):
                y = y if part is None else y + part.to(wide)
            return y.to(dtype)

    def evaluate(self, call: Call) -> Tensor:
        """Compute the output."""
        return torch.cat([self.plain(piece) for piece in call.pieces(_rows(call))])

    def gradients(self, call: Call, grad: Tensor, needed: Sequence[bool]) -> Gradients:
        """Evaluate each piece again and differentiate it; the parameters' gradients add up."""
        leaves = [
            None if tensor is None else tensor.detach().requires_grad_(need)
            for tensor, need in zip(call.parameters, needed[1:], strict=True)
        ]
        call = call._replace(parameters=Parameters(*leaves))  # type: ignore[arg-type]
        x_grads = []
        for piece, piece_grad in zip(call.pieces(_rows(call)), grad.split(_rows(call)), strict=True):
            leaf = piece.x.detach().requires_grad_(needed[0])
            with torch.enable_grad():
                y = self.plain(piece._replace(x=leaf))
            if y.requires_grad:
                torch.autograd.backward(y, piece_grad)
            # Functions that are constant piece by piece know nothing of x.
            x_grads.append(torch.zeros_like(leaf) if leaf.grad is None else leaf.grad)
        x_grad = torch.cat(x_grads) if needed[0] else None
        return x_grad, *(None if leaf is None else leaf.grad for leaf in leaves)


def _rows(call: Call) -> int:
    return max(1, PIECE // max(1, call.parameters.weight.shape[0] * call.layer.inputs.channels))
