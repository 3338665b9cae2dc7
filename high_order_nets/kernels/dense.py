"""The dense kernel: expand the input, then one ordinary contraction, a piece of the batch at a time."""

from collections.abc import Sequence

import torch
from torch import Tensor

from .contraction import Call, Gradients
from .parameters import Parameters, without_autocast

PIECE = {"cpu": 2**22}
"""Features expanded at a time, by device: 16 MB in float32. Less makes the contractions slower (results/speed.md)."""
PIECE_ELSEWHERE = 2**27
"""The same for accelerators, where many small products cost more than memory."""


class Dense:
    """y = W ⋆ φ(x) + offset, with φ(x) written out: suits every layer on every device."""

    def suits(self, call: Call) -> bool:
        """Say yes."""
        return True

    def plain(self, call: Call) -> Tensor:
        """Compute the output by plain differentiable operations, which keep the features: the oracle."""
        layer, x, parameters, dtype = call
        with without_autocast(x):
            bias, plane = _split(layer.offset(parameters, x), dtype)
            features = layer.expand(x, layer.mixture(parameters)).features(dtype)
            y = layer.contract(features, layer.kernel(parameters).to(dtype), bias)
            return y if plane is None else y + plane

    def evaluate(self, call: Call) -> Tensor:
        """Compute the output; never more than a piece of the features is there at a time."""
        layer, x, parameters, dtype = call
        with without_autocast(x):
            bias, plane = _split(layer.offset(parameters, x), dtype)
            kernel = layer.kernel(parameters).to(dtype)
            mixture = layer.mixture(parameters)
            outputs = [
                layer.contract(layer.expand(piece, mixture).features(dtype), kernel, bias)
                for piece in x.split(rows_of_a_piece(x, kernel))
            ]
            y = outputs[0] if len(outputs) == 1 else torch.cat(outputs)
            return y if plane is None else y.add_(plane)

    def gradients(self, call: Call, grad: Tensor, needed: Sequence[bool]) -> Gradients:
        """Expand each piece again, and differentiate the expansion in closed form.

        The small steps from the parameters to the contraction's weight are left to autograd.
        """
        layer, x, parameters, dtype = call
        inputs = [
            None if tensor is None else tensor.detach().requires_grad_(need)
            for tensor, need in zip((x, *parameters), needed, strict=True)
        ]
        leaves = Parameters(*inputs[1:])  # type: ignore[arg-type]
        with without_autocast(x):
            with torch.enable_grad():
                kernel = layer.kernel(leaves).to(dtype)
                mixture, offset = layer.mixture(leaves), layer.offset(leaves, x)
            sums = _Sums(call, kernel, mixture)
            x_grad = sums.go_through(x, grad, needed[0])
            sums.backward()
            if offset is not None and offset.requires_grad:
                torch.autograd.backward(offset, _summed(grad, offset))
        return x_grad, *(None if leaf is None else leaf.grad for leaf in leaves)


class _Sums:
    """Go through the pieces of a batch and add up what each says of the kernel and of the mixture."""

    def __init__(self, call: Call, kernel: Tensor, mixture: Tensor | None):
        self._layer, self._dtype = call.layer, call.dtype
        self._kernel, self._mixture = kernel, mixture
        self._kernel_grad = self._mixture_grad = None

    def go_through(self, x: Tensor, grad: Tensor, x_needed: bool) -> Tensor | None:
        """Give the gradient of x where needed."""
        rows = rows_of_a_piece(x, self._kernel)
        pieces = zip(x.split(rows), grad.split(rows), strict=True)
        grads = [self._one(piece, piece_grad, x_needed) for piece, piece_grad in pieces]
        if not x_needed:
            return None
        return grads[0] if len(grads) == 1 else torch.cat(grads)  # type: ignore[arg-type]

    def backward(self) -> None:
        """Pass the sums on to the parameters."""
        for tensor, total in ((self._kernel, self._kernel_grad), (self._mixture, self._mixture_grad)):
            if total is not None and tensor is not None and tensor.requires_grad:
                torch.autograd.backward(tensor, total.to(tensor.dtype))

    def _one(self, x: Tensor, grad: Tensor, x_needed: bool) -> Tensor | None:
        expansion = self._layer.expand(x, None if self._mixture is None else self._mixture.detach())
        mixture_needed = self._mixture is not None and self._mixture.requires_grad
        needed = x_needed or mixture_needed, self._kernel.requires_grad
        features = expansion.features(self._dtype)
        features_grad, kernel_grad = self._layer.contract_gradients(grad, features, self._kernel.detach(), needed)
        self._kernel_grad = _plus(self._kernel_grad, kernel_grad)
        if features_grad is None:
            return None
        x_grad, mixture_grad = expansion.pullback(features_grad, x_needed)
        self._mixture_grad = _plus(self._mixture_grad, mixture_grad)
        return x_grad


def _plus(total: Tensor | None, part: Tensor | None) -> Tensor | None:
    """Add in float32 or better."""
    if part is None:
        return total
    part = part.to(torch.promote_types(part.dtype, torch.float32))
    return part if total is None else total.add_(part)


def _split(offset: Tensor | None, dtype: torch.dtype) -> tuple[Tensor | None, Tensor | None]:
    """Tell the bias vector that a contraction adds by itself from a plane that depends on the place."""
    if offset is None:
        return None, None
    offset = offset.to(dtype)
    return (offset, None) if offset.dim() == 1 else (None, offset)


def _summed(grad: Tensor, offset: Tensor) -> Tensor:
    """Sum the output's gradient to the offset's shape."""
    if offset.dim() == 1:
        return grad.sum([axis for axis in range(grad.dim()) if axis != 1], dtype=offset.dtype)
    return grad.sum(0, keepdim=True, dtype=offset.dtype)


def rows_of_a_piece(x: Tensor, kernel: Tensor) -> int:
    """Count the rows of x that one piece takes: bounded memory, but never less than the kernel's own size.

    A smaller piece would spend its time on reading the kernel.
    """
    budget = max(PIECE.get(x.device.type, PIECE_ELSEWHERE), kernel.numel())
    features = x.numel() // max(1, len(x)) * kernel.shape[1]
    return max(1, budget // max(1, features))
