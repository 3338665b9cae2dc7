"""The elementwise half of a layer: from x to its features, and from the features' gradient back to x's."""

import torch
from torch import Tensor

from ..basis.synapse import BASES, Synapse


class Expansion:
    """The features of x (rows, channels, *space), in float32 or better.

    Without a mixture they are φ_1 … φ_G of every channel. A mixture c (1 + G, channels) makes one function of them
    for every channel, h = c_0 + Σ_g c_g φ_g. The base branch's activation comes last.
    """

    def __init__(self, synapse: Synapse, groups: int, x: Tensor, mixture: Tensor | None):
        self._synapse, self._groups, self._x = synapse, groups, x
        self._at = synapse.locate(x)
        self._terms = synapse.terms_at(self._at)
        self._mixture = None if mixture is None else mixture.to(torch.promote_types(x.dtype, torch.float32))

    def features(self, dtype: torch.dtype) -> Tensor:
        """Give (rows, groups · T · channels/groups, *space), T terms a channel, rounded to dtype."""
        terms = self._terms if self._mixture is None else [self._mixed(self._mixture)]
        if not terms:  # Constants alone: a term of zeros, or NaN, keeps the contraction an ordinary one.
            terms = [torch.where(self._x.isnan(), self._x, 0)]
        if self._synapse.base:
            terms = [*terms, BASES[self._synapse.base](self._x)]
        terms = [term.to(dtype) for term in terms]
        if len(terms) == 1 or self._groups == 1:  # cat keeps the memory format
            return terms[0] if len(terms) == 1 else torch.cat(terms, 1)
        return torch.stack([term.unflatten(1, (self._groups, -1)) for term in terms], 2).flatten(1, 3)

    def pullback(self, grad: Tensor, x_needed: bool) -> tuple[Tensor | None, Tensor | None]:
        """Give the gradients of x, where needed, and of the mixture, from the features' in closed form."""
        wide = torch.promote_types(self._x.dtype, torch.float32)
        grads = [part.to(wide) for part in self._parts(grad)]
        base_grad = grads.pop() if self._synapse.base else None
        mixture_grad = None if self._mixture is None else self._mixture_gradient(grads[0])
        if not x_needed:
            return None, mixture_grad
        if self._mixture is None:
            x_grad = self._synapse.pullback(self._at, grads[: len(self._terms)])
        else:
            x_grad = grads[0] * self._synapse.pullback(self._at, self._coefficients(self._mixture)[1:])
        if base_grad is not None:
            x_grad = x_grad + self._base_pullback(base_grad)
        return x_grad.to(self._x.dtype), mixture_grad

    def _mixed(self, mixture: Tensor) -> Tensor:
        value, *coefficients = self._coefficients(mixture)
        for term, c in zip(self._terms, coefficients, strict=True):
            value = torch.addcmul(value, term, c)
        return value if coefficients else value.expand_as(self._x)

    def _coefficients(self, mixture: Tensor) -> list[Tensor]:
        """Bring each row to the channels' axis: (channels, 1, …)."""
        return list(mixture.view(*mixture.shape, *[1] * (self._x.dim() - 2)))

    def _mixture_gradient(self, grad: Tensor) -> Tensor:
        product = torch.empty_like(grad)  # the same memory for all
        sums = [_channel_sums(torch.mul(grad, term, out=product)) for term in self._terms]
        return torch.stack([_channel_sums(grad), *sums])

    def _parts(self, grad: Tensor) -> list[Tensor]:
        """Split the features' gradient into those of the terms, each of x's shape."""
        count = grad.shape[1] // self._x.shape[1]
        if count == 1 or self._groups == 1:
            return list(grad.chunk(count, 1))
        return [part.flatten(1, 2) for part in grad.unflatten(1, (self._groups, count, -1)).unbind(2)]

    def _base_pullback(self, grad: Tensor) -> Tensor:
        assert self._synapse.base is not None
        leaf = self._x.detach().to(grad.dtype).requires_grad_()
        with torch.enable_grad():
            value = BASES[self._synapse.base](leaf)
        return torch.autograd.grad(value, leaf, grad)[0]


def _channel_sums(values: Tensor) -> Tensor:
    """(rows, channels, *space) → (channels,)."""
    return values.sum(0) if values.dim() == 2 else values.flatten(2).sum(2).sum(0)
