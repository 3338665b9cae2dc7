"""What a regression has learned: curves, maps, values against values."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from high_order_nets.plots.fits import draw_fits
from high_order_nets.plots.pictures import draw_picture

RANDOM = np.random.default_rng(0)


def figure(inputs: int, outputs: int, count: int = 30) -> Figure:
    x, y = RANDOM.random((count, inputs)), RANDOM.random((count, outputs))
    names = [f"x{i}" for i in range(inputs)], [f"y{i}" for i in range(outputs)]
    return draw_fits(x, y, y + 0.1, *names, "a title")


@pytest.mark.parametrize(
    ("inputs", "outputs", "panels"), [(1, 1, 1), (1, 4, 4), (2, 1, 6), (2, 2, 12), (3, 1, 1), (5, 9, 6)]
)
def test_each_output_has_its_panels(inputs: int, outputs: int, panels: int) -> None:
    drawn = figure(inputs, outputs)
    assert len(drawn.axes) == panels  # of maps, with a colour bar each
    labels = {axes.get_xlabel() for axes in drawn.axes}
    assert labels >= ({"x0"} if inputs < 3 else {"y0, data"})


def test_a_curve_goes_from_left_to_right() -> None:
    for line in figure(1, 1).axes[0].lines:
        assert (np.diff(np.asarray(line.get_xdata(), dtype=float)) > 0).all()


def test_maps_share_the_scale_of_the_data() -> None:
    data, network, error = figure(2, 1).axes[:3]
    assert data.collections[0].get_clim() == network.collections[0].get_clim()
    low, high = error.collections[0].get_clim()
    assert (low, high) == (-high, high) == pytest.approx((-0.1, 0.1))


def test_points_on_a_line_are_drawn_too() -> None:
    x = np.repeat(np.arange(5.0)[:, None], 2, 1)
    assert len(draw_fits(x, x[:, :1], x[:, :1], ("a", "b"), ("c",), "").axes) == 6


def test_a_picture_stands_beside_its_fit_and_the_error() -> None:
    for channels in (1, 3):
        picture = RANDOM.random((4, 6, channels))
        left, fit, error, _ = draw_picture(picture, picture * 0.9, "a title").axes
        assert left.images[0].get_array().shape == fit.images[0].get_array().shape == (4, 6, 3)
        expected = 0.1 * np.sqrt(np.square(picture).mean(-1))
        np.testing.assert_allclose(np.asarray(error.images[0].get_array()), expected)
