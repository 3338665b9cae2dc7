"""Read-outs over a vocabulary that give the loss themselves: all logits at once are the largest tensor of training."""

from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import UserError

CHUNK = 2**23
"""Logits that are held at once on a CPU, where more are no faster; on other devices 8 times as many."""
UNSHIFTED = 60.0
"""Largest logits, up to this, whose exponentials and the sums of them are far from the ends of float32."""


def chunked_cross_entropy(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """-log softmax(hidden weightᵀ)[target], mean over the targets that are not negative: a scalar.

    hidden (N, D), weight (V, D), targets int64 (N,). No more than CHUNK logits are held at a time: the gradients are
    taken chunk by chunk together with the loss, so that nothing is computed twice. Without any target it is 0.
    """
    if not bool((targets >= 0).all()):
        counted = targets >= 0
        hidden, targets = hidden[counted], targets[counted]
    if not len(targets):
        return hidden.sum() * 0.0
    if not torch.is_grad_enabled():
        return _evaluate(hidden, weight, targets, with_gradients=False)[0]
    return _CrossEntropy.apply(hidden, weight, targets)  # type: ignore[no-any-return]


class _CrossEntropy(torch.autograd.Function):
    """The mean loss; its gradients are there when it is."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        loss, gradients = _evaluate(hidden, weight, targets, with_gradients=any(ctx.needs_input_grad))
        ctx.save_for_backward(hidden, weight, targets, *gradients)
        return loss

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        hidden, weight, targets, *gradients = ctx.saved_tensors
        needed = ctx.needs_input_grad[:2]
        if torch.is_grad_enabled():  # to be differentiated again: by torch's own operations, with all logits
            gradients = _differentiable(hidden, weight, targets)
        elif grads[0].device.type == "cpu" and float(grads[0]) == 1:  # the loss itself was minimised
            return *(each if asked else None for each, asked in zip(gradients, needed, strict=True)), None
        return *(each * grads[0] if asked else None for each, asked in zip(gradients, needed, strict=True)), None


def _differentiable(hidden: Tensor, weight: Tensor, targets: Tensor) -> list[Tensor]:
    with torch.enable_grad():
        p = F.linear(hidden, weight).softmax(1)
        slope = (p - F.one_hot(targets, len(weight)).to(p)) / len(targets)
        return [slope @ weight, slope.T @ hidden]


def _evaluate(hidden: Tensor, weight: Tensor, targets: Tensor, with_gradients: bool) -> tuple[Tensor, list[Tensor]]:
    """Give the loss, and its gradients by hidden and weight or none.

    With e = exp(logits), less the row's largest, and z = Σ e, p = e / z: the division, and the 1 taken off at the
    target, are done on what is small, (N, D), and not on (N, V).
    """
    device, count = hidden.device.type, len(targets)
    low = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype
    h, w = hidden.to(low), weight.to(low)
    total = torch.zeros((), dtype=torch.promote_types(low, torch.float32), device=hidden.device)
    by_hidden, by_weight, small = torch.empty_like(hidden), None, _are_small(h, w)
    with torch.autocast(device, enabled=False):
        for part in _parts(count, len(weight), device):
            logits = (h[part] @ w.T).to(total.dtype)
            if not small:
                logits.sub_(logits.amax(1, keepdim=True))
            meant = logits.gather(1, targets[part, None])
            e = logits.exp_()
            z = e.sum(1, keepdim=True)
            total += (z.log() - meant).sum()
            if with_gradients:
                e = e.to(low)
                by_hidden[part] = (e @ w) / (z * count) - w[targets[part]] / count
                by_weight = _added(by_weight, e, (hidden[part] / (z * count)).to(low), weight.dtype)
    if by_weight is None:
        return (total / count).to(hidden.dtype), []
    by_weight.index_add_(0, targets, hidden.to(weight.dtype), alpha=-1 / count)
    return (total / count).to(hidden.dtype), [by_hidden, by_weight]


def _are_small(h: Tensor, w: Tensor) -> bool:
    """Say whether no logit can be large, by the norms: then a pass over them, for each row's largest, is saved."""
    if h.device.type != "cpu" or h.dtype not in (torch.float32, torch.float64):
        return False
    return float(h.norm(dim=1).max() * w.norm(dim=1).max()) < UNSHIFTED


def _added(total: Tensor | None, e: Tensor, h: Tensor, dtype: torch.dtype) -> Tensor:
    """Give total + eᵀ h, in place where both are of one dtype."""
    if total is None:
        return (e.T @ h).to(dtype)
    return total.addmm_(e.T, h) if total.dtype == e.dtype else total.add_(e.T @ h)


def _parts(count: int, vocabulary: int, device: str) -> list[slice]:
    """Cut the rows into nearly equal parts."""
    most = CHUNK if device == "cpu" else 8 * CHUNK
    parts = max(1, min(count, -(-count * vocabulary // most)))
    ends = [count * part // parts for part in range(parts + 1)]
    return [slice(*pair) for pair in pairwise(ends)]


class FullSoftmax(nn.Linear):
    """hidden (…, D) → logits (…, V), over all words; its weight may be the embedding's (Press & Wolf, 1608.05859).

    It has no bias: what every word has of its own the last norm's bias gives, through the weight.
    """

    def __init__(self, width: int, vocabulary: int):
        super().__init__(width, vocabulary, bias=False)

    def loss(self, hidden: Tensor, following: Tensor) -> Tensor:
        """Give the mean of -log p of the following words, those under 0 left out; hidden (N, D), following (N,)."""
        return chunked_cross_entropy(hidden, self.weight, following)


class AdaptiveSoftmax(nn.AdaptiveLogSoftmaxWithLoss):
    """hidden (…, D) → log p (…, V): the frequent words at full width, rare ones in clusters (Grave et al., 1609.04309).

    The words must be numbered from the most frequent to the rarest. Its clusters have weights of their own.
    """

    def forward(self, hidden: Tensor) -> Tensor:  # type: ignore[override] - torch's own forward is the loss
        """Give the logarithm of the probability of every word."""
        return self.log_prob(hidden.flatten(0, -2)).unflatten(0, hidden.shape[:-1])

    def loss(self, hidden: Tensor, following: Tensor) -> Tensor:
        """Give the mean of -log p of the following words, those under 0 left out; hidden (N, D), following (N,).

        The value of torch's own forward, in chunks: -log p of a rare word is that of its cluster and of it in there.
        """
        counted = int((following >= 0).sum())
        first, total = following, hidden.new_zeros(())
        for cluster, (low, high) in enumerate(pairwise(self.cutoffs)):
            rows = ((following >= low) & (following < high)).nonzero().squeeze(1)
            first = first.index_fill(0, rows, self.shortlist_size + cluster)
            project, out = self.tail[cluster]  # type: ignore[misc]
            part = chunked_cross_entropy(project(hidden[rows]), out.weight, following[rows] - low)
            total = total + part * (len(rows) / max(counted, 1))
        return total + chunked_cross_entropy(hidden, self.head.weight, first)


def adaptive_softmax(width: int, vocabulary: int, cutoffs: list[int] | None) -> AdaptiveSoftmax:
    """Make the softmax with these cutoffs; None: 1/32, 1/8 and 1/2 of the vocabulary."""
    chosen = cutoffs or [vocabulary // 32, vocabulary // 8, vocabulary // 2]
    if sorted(set(chosen)) != chosen or not 0 < chosen[0] <= chosen[-1] < vocabulary:
        rule = f"expected growing numbers of words below the vocabulary's {vocabulary}"
        raise UserError(f"model_name.cutoffs={chosen}: {rule}")
    # Each cluster is narrower than the one before, by 4 where that leaves the last a width.
    return AdaptiveSoftmax(width, vocabulary, chosen, div_value=min(4.0, width ** (1 / len(chosen))))
