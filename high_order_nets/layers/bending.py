"""How much functions bend: the second differences of those that connections share, the degrees of all others."""

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

from ..basis.base import Basis, on_their_own
from ..basis.fourier import Fourier
from ..basis.polynomial import Polynomial
from ..kernels.parameters import without_autocast
from .base import HighOrderLayer

DEGREES: dict[type[Basis], Callable[[int], int]] = {Polynomial: lambda g: g, Fourier: lambda g: (g + 1) // 2}
"""The degree of φ_g, g = 1 … G, by basis: that of T_g, and the frequency of a wave; others have none."""


def degrees(basis: Basis) -> list[int]:
    """Give the degrees of φ_1 … φ_G."""
    return [DEGREES[type(basis)](g) for g in range(1, basis.groups + 1)]


def roughness(layer: HighOrderLayer) -> Tensor | None:
    """Σ_i Σ_j |φ_i(t_{j+1}) - 2 φ_i(t_j) + φ_i(t_{j-1})| of the functions φ_i that connections share; None without.

    The t_j are equally spaced, the ends of the interval among them: as many as a function has nodes, 2 M + 1 where it
    has none. For continuous n=2 and polynomial n=3 these are the second differences of the nodal values.
    """
    spectral, functions = layer.synapse.parameters == "spectral", layer.own_parameters().functions
    if functions is None:
        return None
    with without_autocast(functions):
        differences = _differences(layer.synapse.basis, spectral, functions.dtype, functions.device)
        return (differences @ functions[: differences.shape[1]]).abs().sum()  # beyond the ends nothing bends


def second_differences(basis: Basis, *, spectral: bool) -> Tensor:
    """D, float64 (points - 2, M): from nodal weights to second differences; (points - 2, G) from spectral ones."""
    with on_their_own():
        points = 2 * basis.weights + 1 if basis.nodes() is None else basis.weights
        t = torch.linspace(-basis.length / 2, basis.length / 2, points, dtype=torch.float64)
        values = torch.stack([torch.ones_like(t), *basis.terms(t)], 1)
        reduced = values[2:] - 2 * values[1:-1] + values[:-2]
        return reduced[:, 1:] if spectral else reduced @ basis.transform()


@lru_cache(maxsize=256)
def _differences(basis: Basis, spectral: bool, dtype: torch.dtype, device: torch.device) -> Tensor:
    return second_differences(basis, spectral=spectral).to(device=device, dtype=dtype)
