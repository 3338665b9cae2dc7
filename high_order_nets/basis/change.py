"""From the weights of one basis to those of another, and how far the new functions are from the old ones."""

from functools import lru_cache

import torch
from torch import Tensor

from .base import Basis, lobatto_nodes, on_their_own
from .fourier import Fourier


def change_of_weights(old: Basis, new: Basis) -> Tensor:
    """E, float64 (M', M): w' = E w are the new weights of the function that has the weights w, w'_j = f(X'_j).

    Exact where the new space contains the old one, else interpolation, at a jump of the mean of its two sides: no
    continuous function is nearer to both. A basis without nodes gets the least-squares fit. Made once, not to be
    changed in place.
    """
    return _change(old, new)


def terms_to_weights(basis: Basis) -> Tensor:
    """T⁺, float64 (M, 1 + G): from the coefficients of 1, φ_1 … φ_G to weights."""
    return _from_terms(basis)


def largest_error(old: Basis, new: Basis) -> float:
    """Give the largest |b_j(x) - Σ_k E_kj b'_k(x)| at the `error_points`, over all functions b_j of the old basis.

    0 but for rounding where the new space contains the old one.
    """
    return _error(old, new)


def sample_points(*bases: Basis) -> Tensor:
    """Give points inside every piece on which all of the bases are smooth, dense at its ends: float64 (P,)."""
    with on_their_own():
        start, width = _pieces(bases)
        count = 16 + 2 * max(basis.weights for basis in bases) // len(start)  # on each piece
        t = torch.cos((torch.arange(count, dtype=torch.float64) + 0.5) * torch.pi / count)
        return (start + (t + 1) / 2 * width).flatten()


def error_points(*bases: Basis) -> tuple[Tensor, Tensor]:
    """Give points on every piece on which all of the bases are smooth, and the middles of their pieces: float64 (P,).

    The points of a piece are Chebyshev-Lobatto ones, its ends and its middle among them. `functions_within` takes
    the two: at a jump there are two points, one for each side. A polynomial of degree d exceeds its largest value at N
    + 1 of them by at most 1/cos(dπ/2N) (Ehlich and Zeller, 1964): with N = 12 d by 1 %.
    """
    with on_their_own():
        start, width = _pieces(bases)
        degree = max((basis.weights - 1) // (len(basis.breaks) - 1) for basis in bases)
        t = lobatto_nodes(12 * max(degree, 2) + 1)
        x = start + (t + 1) / 2 * width
        return x.flatten(), (start + width / 2).expand_as(x).flatten()


def _pieces(bases: tuple[Basis, ...]) -> tuple[Tensor, Tensor]:
    """Give the starts and widths of the pieces on which all of the bases are smooth, float64 (pieces, 1)."""
    edges = torch.cat([basis.breaks for basis in bases]).unique()
    # Ends that differ by rounding alone have nothing between them.
    edges = edges[torch.cat([torch.ones(1, dtype=torch.bool), edges.diff() > 1e-9 * bases[0].length])]
    return edges[:-1, None], edges.diff()[:, None]


@lru_cache(maxsize=256)
def _change(old: Basis, new: Basis) -> Tensor:
    with on_their_own(), torch.no_grad():
        if old == new or (isinstance(old, Fourier) and isinstance(new, Fourier) and old.length == new.length):
            return torch.eye(new.weights, old.weights, dtype=torch.float64)
        nodes, sides = new.nodes(), new.node_sides()
        if nodes is not None and sides is not None:
            left, right = (old.functions_within(nodes, side) for side in sides)
            return ((left + right) / 2).T
        x = sample_points(old, new)
        return torch.linalg.lstsq(new.functions(x).T, old.functions(x).T).solution


@lru_cache(maxsize=256)
def _from_terms(basis: Basis) -> Tensor:
    with on_their_own():
        return torch.linalg.pinv(basis.transform())


@lru_cache(maxsize=256)
def _error(old: Basis, new: Basis) -> float:
    with on_their_own(), torch.no_grad():
        at = error_points(old, new)
        return float((old.functions_within(*at) - _change(old, new).T @ new.functions_within(*at)).abs().max())
