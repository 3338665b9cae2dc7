"""The function of a space that is nearest to a given one."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from .base import on_their_own
from .synapse import BASES, Synapse

EXACT = 1e-9
"""Errors below this, relative to the function and in float64, are rounding."""
DEVIATIONS = 4
"""The interval's length in standard deviations of the inputs that a fit is made for: as scale=4 behind a norm."""


class Fit(NamedTuple):
    """Say which function it is, for each column of what was asked for."""

    weights: Tensor
    """(M, columns), float64, nodal."""
    base: Tensor
    """(columns,): the factor of the base branch's activation; 0 where the functions do without."""
    error: float
    """Root mean square of the difference, relative to that of the function: the largest of the columns."""

    @property
    def exact(self) -> bool:
        """Say whether it is the function itself."""
        return self.error < EXACT


def nearest(synapse: Synapse, f: Callable[[Tensor], Tensor], interval: Tensor | None = None) -> Fit:
    """Fit f by least squares, through the synapse's domain: w minimises E[(f(u/factor + centre) - Σ_j w_j b_j(u))²].

    u is normal, its deviation a quarter of the interval of the functions. f takes float64 (points, columns) and gives
    the same; `interval` (2, columns) are centre and factor of the inputs, one column of 0 and 1 by default. With a
    base branch, what the functions alone cannot be exactly they are together with it.
    """
    with on_their_own(), torch.no_grad():
        u, root = _points(synapse)
        centre, factor = torch.tensor([[0.0], [1.0]]).double() if interval is None else interval.double().cpu()
        wanted = f(u[:, None] / factor + centre) * root
        functions = synapse.functions(u).T * root
        weights, error = _solved(functions, wanted)
        if synapse.base is None or error < EXACT:
            return Fit(weights, weights.new_zeros(weights.shape[1]), error)
        weights, error = _solved(torch.cat([functions, BASES[synapse.base](u)[:, None] * root], 1), wanted)
        return Fit(weights[:-1], weights[-1], error)


def _points(synapse: Synapse) -> tuple[Tensor, Tensor]:
    """Give points u (points,), none on a knot or an end, and roots of their probabilities (points, 1)."""
    length = synapse.basis.length
    count = max(4000, 32 * synapse.weights)
    u = ((torch.arange(count, dtype=torch.float64) + 0.5) / count - 0.5) * (2 * length)
    return u, torch.exp(-((u * DEVIATIONS / length) ** 2) / 4)[:, None]


def _solved(functions: Tensor, wanted: Tensor) -> tuple[Tensor, float]:
    """Give weights (M, columns) of functions (points, M) that come nearest to (points, columns), and their error."""
    size = functions.norm(dim=0).clamp(min=torch.finfo(functions.dtype).tiny)
    weights = torch.linalg.lstsq(functions / size, wanted).solution / size[:, None]
    missed, whole = (wanted - functions @ weights).norm(dim=0), wanted.norm(dim=0)
    return weights, float(torch.where(whole > 0, missed / whole, missed).max())
