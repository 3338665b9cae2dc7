"""Bases by values worked out by hand, and by what their docstrings promise of the terms."""

import math
from itertools import pairwise

import pytest
import torch

from high_order_nets.basis import (
    Basis,
    ContinuousPiecewise,
    CReLU,
    DiscontinuousPiecewise,
    Fourier,
    Line,
    Piecewise,
    Polynomial,
)
from high_order_nets.basis.base import chebyshev_derivative
from high_order_nets.basis.change import change_of_weights, sample_points

PIECEWISE = [cls(n, s) for cls in (ContinuousPiecewise, DiscontinuousPiecewise) for n in (2, 3, 6) for s in (1, 2, 4)]


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_derivatives_of_chebyshev_polynomials() -> None:
    # T_1' = T_0, T_2' = 4 T_1, T_3' = 3 T_0 + 6 T_2, T_4' = 8 T_1 + 8 T_3
    expected = [[0, 0, 0, 0, 0], [1, 0, 0, 0, 0], [0, 4, 0, 0, 0], [3, 0, 6, 0, 0], [0, 8, 0, 8, 0]]
    assert chebyshev_derivative(5).tolist() == expected
    assert chebyshev_derivative(5).dtype == torch.float64


def test_one_number_is_a_line_through_zero() -> None:
    line = Line(4.0)
    assert line.transform().equal(column(0, 1)[:, None])
    assert line.line().equal(column(1))
    assert not line.has_constant
    assert line.functions(column(-3, 0.5)).tolist() == [[-3.0, 0.5]]


@pytest.mark.parametrize("length", [1.0, 3.0])
def test_a_fourier_series_takes_a_sine_for_a_line(length: float) -> None:
    x = column(-length / 4, 0, length / 12)
    values = Fourier(4, length).line() @ Fourier(4, length).functions(x)
    torch.testing.assert_close(values, column(-1, 0, 0.5))
    assert Fourier(1).line().tolist() == [0.0]


@pytest.mark.parametrize("length", [0.5, 2.0, 3.0])
def test_slopes_of_a_parabola(length: float) -> None:
    basis = Polynomial(3, length)  # values h², 0, h² at -h, 0, h: x²
    h = length / 2
    assert [slope for pair in basis.end_slopes for slope in pair] == pytest.approx([1 / h, 1 / h, -4 / h, 4 / h])
    x = column(-h, 0.3 * h, h)
    terms = basis.terms(x)
    coefficients = basis.transform() @ column(h * h, 0, h * h)
    slopes = basis.pullback(x, terms, [c * torch.ones_like(x) for c in coefficients[1:]])
    torch.testing.assert_close(slopes, 2 * x)


def test_the_slope_of_a_crelu_is_nothing_at_zero() -> None:
    basis, x = CReLU(), column(-1, 0, 1)
    slopes = basis.pullback(x, basis.terms(x), [torch.full_like(x, 3.0), torch.full_like(x, 5.0)])
    assert slopes.tolist() == [-3.0, 0.0, 5.0]


@pytest.mark.parametrize("basis", PIECEWISE, ids=str)
def test_terms_are_local_and_vanish_at_the_left_end(basis: Piecewise) -> None:
    left = torch.stack(basis.terms(column(-1.0)))
    torch.testing.assert_close(left, torch.zeros_like(left), atol=1e-14, rtol=0)
    edges = basis.breaks
    t = column(0.01, 0.23, 0.5, 0.77, 0.99)
    x = edges[:-1, None] + edges.diff()[:, None] * t  # (segments, points)
    live = torch.stack(basis.terms(x)).abs().amax(2) > 1e-12  # (terms, segments)
    most = 2 if isinstance(basis, ContinuousPiecewise) else 1
    assert int(live.sum(1).max()) == min(most, basis.segments)
    if isinstance(basis, ContinuousPiecewise) and basis.n > 2:  # all but the hats are bubbles, zero at every knot
        at_knots = torch.stack(basis.terms(edges)).unflatten(0, (basis.segments, -1))[:, 1:]
        torch.testing.assert_close(at_knots, torch.zeros_like(at_knots), atol=1e-13, rtol=0)


@pytest.mark.parametrize("basis", PIECEWISE, ids=str)
def test_the_live_weights_are_all_there_is(basis: Piecewise) -> None:
    x = torch.linspace(-1.2, 1.2, 41, dtype=torch.float64).view(1, 41) + 0.001
    index, values, slopes = basis.live(x)
    assert index.shape == values.shape == slopes.shape == (1, 41, basis.n)
    full = basis.functions(x)
    scattered = torch.zeros(1, 41, basis.weights, dtype=torch.float64).scatter_(2, index, values)
    torch.testing.assert_close(scattered.permute(2, 0, 1), full)
    step = 1e-6
    numeric = (basis.functions(x + step) - basis.functions(x - step)) / (2 * step)
    scattered = torch.zeros(1, 41, basis.weights, dtype=torch.float64).scatter_(2, index, slopes)
    torch.testing.assert_close(scattered.permute(2, 0, 1), numeric, atol=1e-5, rtol=1e-5)
    lost, values, _ = basis.live(x.new_full((1,), math.nan).float())
    assert lost.tolist() == [list(range(basis.n))]
    assert values[:, 1:].isnan().all()


def test_the_live_weights_are_found_where_x_is() -> None:
    assert all(found.is_meta for found in ContinuousPiecewise(3, 2).live(torch.zeros(4, device="meta")))


@pytest.mark.parametrize("basis", [Polynomial(3), ContinuousPiecewise(3, 2), Fourier(3), CReLU(), Line()], ids=str)
def test_functions_keep_the_dtype_of_x(basis: Basis) -> None:
    for dtype in (torch.float32, torch.float64):
        assert basis.functions(torch.zeros(2, dtype=dtype)).dtype == dtype
    for made in (basis.transform(), basis.line(), basis.constant()):
        assert made.dtype == torch.float64


@pytest.mark.parametrize("length", [2.0, 5.0])
def test_interpolation_meets_nodes_or_fits_by_least_squares(length: float) -> None:
    assert Polynomial(3, length).interpolate(torch.exp).tolist() == pytest.approx(
        [math.exp(-length / 2), 1.0, math.exp(length / 2)]
    )
    omega = 2 * math.pi / length
    wave = Fourier(3, length).interpolate(lambda x: 3 + 2 * torch.sin(omega * x) - torch.cos(omega * x))
    assert wave.dtype == torch.float64
    torch.testing.assert_close(wave, column(6, 2, -1), rtol=0, atol=1e-12)
    # x itself is 2/ω (sin ωx - …): the first coefficient of its Fourier series.
    assert Fourier(2, length).interpolate(lambda x: x).tolist() == pytest.approx([0.0, 2 / omega], abs=1e-3)


def test_a_short_interval_is_one() -> None:
    assert Polynomial(2, 0.25).nodes().tolist() == [-0.125, 0.125]


@pytest.mark.parametrize("length", [1e-7, 1e-4, 2.0, 1e6])
def test_the_middle_of_a_jump_whatever_the_length(length: float) -> None:
    step, ramp = DiscontinuousPiecewise(2, 2, length), ContinuousPiecewise(2, 2, length)
    values = change_of_weights(step, ramp) @ column(1, 2, 4, 8)  # 1 … 2 on the left, 4 … 8 on the right
    torch.testing.assert_close(values, column(1, 3, 8), atol=1e-6, rtol=0)
    back = change_of_weights(ramp, step) @ column(1, 3, 8)
    torch.testing.assert_close(back, column(1, 3, 3, 8), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "bases",
    [
        (Polynomial(40),),
        (Polynomial(3), ContinuousPiecewise(3, 4)),
        (Polynomial(3, 1e-5), ContinuousPiecewise(3, 4, 1e-5)),
        (Fourier(5, 6.0),),
    ],
)
def test_sample_points_lie_inside_every_piece_and_near_its_ends(bases: tuple[Basis, ...]) -> None:
    edges = bases[-1].breaks
    x = sample_points(*bases).sort().values
    torch.testing.assert_close(x, -x.flip(0), atol=1e-15, rtol=1e-14)
    assert x.unique().numel() == x.numel()
    assert len(x) >= 2 * max(basis.weights for basis in bases)
    for start, end in pairwise(edges):
        inside = x[(x > start) & (x < end)]
        assert len(inside) >= 16
        assert max(inside[0] - start, end - inside[-1]) < 0.01 * (end - start)
    assert not torch.isin(edges, x).any()
