"""Pictures as points: where pixels are, what they are, and what is no picture."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from high_order_nets.data.points.pictures import PHOTOGRAPHS, picture_points
from high_order_nets.errors import UserError


@pytest.mark.parametrize("photograph", PHOTOGRAPHS)
def test_photographs_are_scaled_to_a_square(photograph: str) -> None:
    points = picture_points(photograph, None, 16, 3)
    assert (points.train_x.shape, points.train_y.shape) == ((256, 2), (256, 3))
    assert points.outputs == ("red", "green", "blue")
    assert 0 <= points.train_y.min() < points.train_y.max() <= 1
    assert points.test_y is points.train_y  # all pixels are learned, and judged


def test_pixels_lie_where_a_viewer_shows_them(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    Image.fromarray(np.array([[0, 51, 102], [153, 204, 255]], np.uint8)).save(path)
    points = picture_points("china", path, None, 1)
    assert points.train_y.flatten().tolist() == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    third = 2 / 3
    expected = [[-third, 0.5], [0, 0.5], [third, 0.5], [-third, -0.5], [0, -0.5], [third, -0.5]]
    torch.testing.assert_close(points.train_x, torch.tensor(expected, dtype=torch.float64))


def test_a_wide_picture_gives_its_middle(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    pixels = np.zeros((2, 6, 3), np.uint8)
    pixels[:, 2:4] = (255, 0, 0)
    Image.fromarray(pixels).save(path)
    assert picture_points("china", path, 2, 3).train_y.tolist() == [[1, 0, 0]] * 4


def test_grey_is_the_mean_of_the_colours() -> None:
    grey, colour = (picture_points("flower", None, 4, channels) for channels in (1, 3))
    torch.testing.assert_close(grey.train_y, colour.train_y.mean(1, keepdim=True))


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_text("none")
    with pytest.raises(UserError, match=r"^dataset\.path=.*x\.png: not an image that can be read"):
        picture_points("china", tmp_path / "x.png", 8, 3)
    with pytest.raises(UserError, match=r"^dataset\.photograph=rome: unknown; expected one of china, flower$"):
        picture_points("rome", None, 8, 3)
