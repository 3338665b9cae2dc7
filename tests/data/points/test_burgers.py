"""The solution of Burgers' equation: characteristics, and what holds at a shock."""

import math

import torch

from high_order_nets.data.points.burgers import burgers_points, exact


def grid(x: tuple[float, float], t: tuple[float, float], count: int = 41) -> tuple[torch.Tensor, ...]:
    ends = [torch.linspace(*part, count, dtype=torch.float64) for part in (x, t)]
    return torch.meshgrid(ends, indexing="ij")


def test_values_come_along_characteristics() -> None:
    x, t = grid((-1, 1), (0, 1))
    u = exact(x, t)
    start = x - u * t
    torch.testing.assert_close(u[x != 0], -torch.sin(math.pi * start)[x != 0], atol=1e-12, rtol=0)
    torch.testing.assert_close(u[:, 0], -torch.sin(math.pi * x[:, 0]), atol=1e-12, rtol=0)
    assert (start.abs() <= 1 + 1e-12).all()
    assert (start * x >= -1e-12).all()  # none has crossed the shock


def test_before_the_shock_the_equation_holds_point_by_point() -> None:
    x, t = grid((-0.9, 0.9), (0.02, 0.25))
    d = 1e-5
    u = exact(x, t)
    u_t, u_x = (exact(x, t + d) - exact(x, t - d)) / (2 * d), (exact(x + d, t) - exact(x - d, t)) / (2 * d)
    torch.testing.assert_close(u_t + u * u_x, torch.zeros_like(u), atol=1e-6, rtol=0)


def test_at_the_shock_the_flux_is_the_same_on_both_sides_and_characteristics_end() -> None:
    t = torch.linspace(0.4, 1, 7, dtype=torch.float64)
    d = torch.tensor(1e-9, dtype=torch.float64)
    left, right = exact(-d, t), exact(d, t)
    speed = (left.square() - right.square()) / (2 * (left - right))  # Rankine-Hugoniot: (f(l) - f(r))/(l - r)
    torch.testing.assert_close(speed, torch.zeros_like(t), atol=1e-9, rtol=0)
    assert (left > 0.5).all()  # Lax: l > s > r
    assert (right < -0.5).all()
    gone = exact(d, torch.tensor([0.3], dtype=torch.float64))
    assert gone.abs() < 1e-6  # before t = 1/π there is none


def test_what_one_half_holds_is_lost_in_the_shock_alone() -> None:
    x = (torch.arange(20000, dtype=torch.float64) + 0.5) / 20000
    lost = torch.stack([exact(x, torch.tensor(t)).mean() for t in (0.5, 1.0)])
    time = torch.linspace(0.5, 1, 2001, dtype=torch.float64)
    through = torch.trapezoid(exact(torch.tensor(1e-12), time).square() / 2, time)
    torch.testing.assert_close(lost[1] - lost[0], through, atol=1e-6, rtol=0)


def test_places_are_inside_or_on_the_edges_where_u_is_given() -> None:
    points = burgers_points(30, 8, seed=1)
    x, t = points.train_x.T
    assert len(x) == 46
    assert (t[30:38] == 0).all()
    assert (x[38:].abs() == 1).all()
    assert set(x[38:].tolist()) == {-1.0, 1.0}
    assert (t[:30] > 0).all()
    assert not torch.equal(points.train_x, burgers_points(30, 8, seed=2).train_x)
    assert torch.equal(points.test_x, burgers_points(9, 9, seed=2).test_x)
    assert not (points.test_x[:, 0] == 0).any()
