"""Each basis against its formula (float64)."""

import math

import pytest
import torch
from torch import Tensor

from high_order_nets.basis import (
    Basis,
    ContinuousPiecewise,
    CReLU,
    DiscontinuousPiecewise,
    Fourier,
    Polynomial,
)

POLYNOMIALS = [Polynomial(n, length) for n in (1, 2, 3, 6, 11) for length in (2.0, 3.5)]
CONTINUOUS = [ContinuousPiecewise(n, s, length) for n in (2, 3, 5) for s in (1, 2, 7) for length in (2.0, 3.5)]
DISCONTINUOUS = [DiscontinuousPiecewise(n, s, length) for n in (1, 2, 4) for s in (1, 3, 8) for length in (2.0, 3.5)]
FOURIER = [Fourier(n, length) for n in (1, 2, 3, 4, 7) for length in (2.0, 3.5)]
ALL = [*POLYNOMIALS, *CONTINUOUS, *DISCONTINUOUS, *FOURIER, CReLU(3.0)]


def grid(basis: Basis, stretch: float = 1.0) -> Tensor:
    return torch.linspace(-1, 1, 203, dtype=torch.float64) * basis.length / 2 * stretch


def lagrange(x: float, nodes: list[float], j: int) -> float:
    """Π_{m≠j} (x - X_m)/(X_j - X_m)."""
    return math.prod((x - node) / (nodes[j] - node) for m, node in enumerate(nodes) if m != j)


def lobatto(n: int, left: float, right: float) -> list[float]:
    if n == 1:
        return [(left + right) / 2]
    return [(left + right) / 2 - (right - left) / 2 * math.cos(j * math.pi / (n - 1)) for j in range(n)]


def piecewise_value(x: float, weights: list[float], n: int, segments: int, length: float, stride: int) -> float:
    """The definition: find the segment, interpolate on its nodes, weights from index segment · stride."""
    s = min(max(math.floor((x / length + 0.5) * segments), 0), segments - 1)
    left = -length / 2 + s * length / segments
    nodes = lobatto(n, left, left + length / segments)
    return sum(weights[s * stride + j] * lagrange(x, nodes, j) for j in range(n))


def evaluate(basis: Basis, weights: Tensor, x: Tensor) -> Tensor:
    return weights @ basis.functions(x)


@pytest.mark.parametrize("basis", POLYNOMIALS, ids=str)
def test_polynomial_is_lagranges(basis: Polynomial) -> None:
    weights = torch.randn(basis.n, dtype=torch.float64)
    x = grid(basis, 1.3)
    nodes = lobatto(basis.n, -basis.length / 2, basis.length / 2)
    expected = [sum(w * lagrange(v, nodes, j) for j, w in enumerate(weights.tolist())) for v in x.tolist()]
    expected = torch.tensor(expected, dtype=torch.float64)
    torch.testing.assert_close(evaluate(basis, weights, x), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("basis", [*CONTINUOUS, *DISCONTINUOUS], ids=str)
def test_piecewise_is_its_definition(basis: ContinuousPiecewise | DiscontinuousPiecewise) -> None:
    stride = basis.n - 1 if isinstance(basis, ContinuousPiecewise) else basis.n
    weights = torch.randn(basis.weights, dtype=torch.float64)
    x = torch.cat([grid(basis, 1.2), basis.breaks])
    expected = [piecewise_value(v, weights.tolist(), basis.n, basis.segments, basis.length, stride) for v in x.tolist()]
    torch.testing.assert_close(
        evaluate(basis, weights, x), torch.tensor(expected, dtype=torch.float64), rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize("basis", FOURIER, ids=str)
def test_fourier_is_its_definition(basis: Fourier) -> None:
    x = grid(basis, 3.0)
    expected = [torch.full_like(x, 0.5)]
    for j in range(1, basis.n):
        angle = 2 * math.pi * math.ceil(j / 2) * x / basis.length
        expected.append(torch.sin(angle) if j % 2 else torch.cos(angle))
    torch.testing.assert_close(basis.functions(x), torch.stack(expected), rtol=0, atol=1e-12)


def test_crelu_is_two_relus() -> None:
    x = grid(CReLU(3.0), 2.0)
    torch.testing.assert_close(CReLU(3.0).functions(x), torch.stack([torch.relu(-x), torch.relu(x)]) / 1.5)


@pytest.mark.parametrize("basis", [*POLYNOMIALS, *CONTINUOUS], ids=str)
def test_functions_interpolate_at_the_nodes(basis: Polynomial | ContinuousPiecewise) -> None:
    assert basis.nodes()[0] == (0 if basis.n == 1 else -basis.length / 2)
    torch.testing.assert_close(basis.functions(basis.nodes()), torch.eye(basis.weights).double(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("basis", [*POLYNOMIALS, *CONTINUOUS, *DISCONTINUOUS], ids=str)
def test_nodal_functions_sum_to_one(basis: Basis) -> None:
    x = grid(basis, 1.2)
    torch.testing.assert_close(basis.functions(x).sum(0), torch.ones_like(x), rtol=0, atol=1e-9)
    torch.testing.assert_close(basis.constant(), torch.ones(basis.weights).double(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("basis", [b for b in ALL if b.weights > 1 and getattr(b, "n", 2) > 1], ids=str)
def test_line_is_odd_and_rises(basis: Basis) -> None:
    x = grid(basis, 0.4)
    line = evaluate(basis, basis.line(), x)
    torch.testing.assert_close(line, -line.flip(0))
    assert (line.diff() > 0).all()
    if not isinstance(basis, Fourier):
        torch.testing.assert_close(line, x)


@pytest.mark.parametrize("basis", ALL, ids=str)
def test_counts(basis: Basis) -> None:
    x = grid(basis)
    assert len(basis.terms(x)) == basis.groups
    assert basis.transform().shape == (1 + basis.groups, basis.weights)
    assert basis.functions(x).shape == (basis.weights, *x.shape)


@pytest.mark.parametrize("basis", CONTINUOUS, ids=str)
def test_continuous_is_continuous(basis: ContinuousPiecewise) -> None:
    weights = torch.randn(basis.weights, dtype=torch.float64)
    inner = basis.breaks[1:-1]
    left, right = evaluate(basis, weights, inner - 1e-9), evaluate(basis, weights, inner + 1e-9)
    torch.testing.assert_close(left, right, rtol=0, atol=1e-5)


@pytest.mark.parametrize("basis", [b for b in ALL if b.groups], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_pullback_is_the_derivative_at_knots_too(basis: Basis, dtype: torch.dtype) -> None:
    x = torch.cat([grid(basis, 1.2), basis.breaks, torch.tensor([-50.0, 50.0])]).to(dtype).requires_grad_()
    terms = [term + 0 * x for term in basis.terms(x)]  # also where a term is a step, without a derivative
    grads = torch.randn(len(terms), len(x), dtype=dtype).unbind()
    (expected,) = torch.autograd.grad(terms, x, grads)
    accuracy = 1e-4 if dtype == torch.float32 else 1e-10
    with torch.no_grad():
        for fast, term in zip(basis.terms(x), terms, strict=True):
            torch.testing.assert_close(fast, term, rtol=0, atol=0)
        found = basis.pullback(x, basis.terms(x), list(grads))
        torch.testing.assert_close(found, expected, rtol=accuracy, atol=accuracy)


def test_a_knot_belongs_to_the_segment_on_its_right() -> None:
    basis = DiscontinuousPiecewise(2, 2)
    weights = torch.tensor([0.0, 1.0, 5.0, 7.0], dtype=torch.float64)
    x = torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64, requires_grad=True)
    y = evaluate(basis, weights, x)
    assert y.tolist() == pytest.approx([0.0, 5.0, 7.0])
    (slopes,) = torch.autograd.grad(y.sum(), x)
    assert slopes.tolist() == pytest.approx([1.0, 2.0, 2.0])


@pytest.mark.parametrize("basis", ALL, ids=str)
def test_gradcheck(basis: Basis) -> None:
    x = (grid(basis, 1.1)[::40] + 1e-3).requires_grad_()
    weights = torch.randn(basis.weights, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: evaluate(basis, weights, x), (x,), eps=1e-7, atol=1e-5, fast_mode=True)


@pytest.mark.parametrize("basis", [b for b in ALL if b.groups], ids=str)
def test_end_slopes_are_derivatives(basis: Basis) -> None:
    if isinstance(basis, CReLU):
        assert basis.end_slopes == ((-1, 0), (0, 1))
        return
    step = 1e-6
    ends = torch.tensor([-basis.length / 2, basis.length / 2], dtype=torch.float64)
    inside = ends * (1 - step)
    terms = torch.stack(basis.terms(ends)), torch.stack(basis.terms(inside))
    slopes = torch.tensor(basis.end_slopes, dtype=torch.float64).view(-1, 2)
    torch.testing.assert_close(slopes, (terms[0] - terms[1]) / (ends - inside), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("basis", [b for b in ALL if getattr(b, "n", 2) > 1], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_inputs(basis: Basis, dtype: torch.dtype) -> None:
    terms = torch.stack(basis.terms(torch.tensor([1e4, -1e4, 0.0, 1.0], dtype=dtype)))
    assert terms.dtype == dtype
    if basis.weights < 8:
        assert terms.isfinite().all()
    assert torch.stack(basis.terms(torch.tensor([math.nan], dtype=dtype))).isnan().any()


def test_infinite_inputs_take_the_end_segments() -> None:
    basis = ContinuousPiecewise(2, 3)
    x = torch.tensor([-math.inf, math.inf])
    first, _, last = basis.terms(x)
    assert first.tolist() == [-math.inf, 0.0]
    assert last.tolist() == [0.0, math.inf]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Polynomial(0), "n=0"),
        (lambda: Fourier(0), "n=0"),
        (lambda: Polynomial(3, 0.0), "length=0"),
        (lambda: Polynomial(3, math.inf), "length=inf"),
        (lambda: ContinuousPiecewise(1, 2), "n=1 with segments=2"),
        (lambda: DiscontinuousPiecewise(2, 0), "segments=0"),
    ],
)
def test_impossible_bases_are_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_names_find_their_classes() -> None:
    assert set(Basis.registry) == {"polynomial", "continuous", "discontinuous", "fourier", "crelu"}
    assert Basis.registry["polynomial"] is Polynomial
