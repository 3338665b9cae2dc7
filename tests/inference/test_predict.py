"""Image files are read as a viewer shows them, or refused in a line."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from high_order_nets import cli
from high_order_nets.data.images.files import read_image
from high_order_nets.errors import UserError

RAMP = np.array([[0, 64, 128, 255]], np.uint8)


def read(image: Image.Image, path: Path, channels: int = 1, **options) -> list:
    image.save(path, **options)
    pixels = read_image(path, channels)[0]
    return pixels[0].tolist() if channels == 1 else pixels.permute(1, 2, 0).tolist()


def rgba(*pixels: tuple[int, ...]) -> Image.Image:
    return Image.fromarray(np.array([pixels], np.uint8), "RGBA")


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_are_scaled(tmp_path: Path, suffix: str) -> None:
    wide = Image.fromarray(RAMP.astype(np.uint16) * 257)
    assert read(wide, tmp_path / f"x{suffix}") == RAMP.tolist()


def test_floats_fill_zero_to_one(tmp_path: Path) -> None:
    assert read(Image.fromarray(RAMP.astype(np.float32) / 255), tmp_path / "x.tif") == RAMP.tolist()


@pytest.mark.parametrize(("high", "kind"), [(200.0, np.float32), (70000, np.int32), (200, np.int32)])
def test_samples_of_unknown_white_are_refused(tmp_path: Path, high: float, kind: type) -> None:
    with pytest.raises(UserError, match="samples"):
        read(Image.fromarray(np.array([[0, high]], kind)), tmp_path / "x.tif")


def test_what_is_transparent_shows_white(tmp_path: Path) -> None:
    image = rgba((10, 20, 30, 0), (10, 20, 30, 255), (0, 0, 0, 51))
    expected = [[[255] * 3, [10, 20, 30], [204] * 3]]
    assert read(image, tmp_path / "x.png", 3) == expected
    assert read(image, tmp_path / "x.webp", 3, lossless=True, exact=True) == expected
    grey = Image.fromarray(np.array([[[7, 0], [7, 255]]], np.uint8), "LA")
    assert read(grey, tmp_path / "la.png") == [[255, 7]]


def test_palettes_and_single_clear_colours(tmp_path: Path) -> None:
    palette = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    palette.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    expected = [[[255] * 3, [40, 50, 60], [70, 80, 90]]]
    assert read(palette, tmp_path / "p.png", 3, transparency=0) == expected
    assert read(palette, tmp_path / "p.gif", 3, transparency=0) == expected
    assert read(Image.fromarray(RAMP, "L"), tmp_path / "l.png", transparency=64) == [[0, 255, 128, 255]]
    assert read(Image.fromarray(RAMP.astype(np.uint16) * 257), tmp_path / "w.png", transparency=64 * 257) == [
        [0, 255, 128, 255]
    ]


def test_other_modes(tmp_path: Path) -> None:
    assert read(Image.fromarray(RAMP > 100), tmp_path / "1.png") == [[0, 0, 255, 255]]
    cmyk = Image.new("CMYK", (1, 1), (0, 255, 255, 0))
    assert read(cmyk, tmp_path / "x.tif", 3) == [[[255, 0, 0]]]
    red = read(cmyk.resize((8, 8)), tmp_path / "x.jpg", 3, quality=100)[4][4]
    assert red == pytest.approx([255, 0, 0], abs=3)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(tmp_path: Path, suffix: str, orientation: int) -> None:
    stored = np.zeros((16, 32), np.uint8)
    stored[:8, :16] = 255  # the first row and column as stored; upright they are the sides that EXIF names
    exif = Image.Exif()
    exif[0x0112] = orientation
    if suffix == ".tif" and orientation >= 5:  # Pillow reads them wrongly
        with pytest.raises(UserError, match="save it upright"):
            read(Image.fromarray(stored), tmp_path / "x.tif", exif=exif)
        return
    shown = np.array(read(Image.fromarray(stored), tmp_path / f"x{suffix}", exif=exif))
    ways: dict[int, Callable[[np.ndarray], np.ndarray]] = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: np.transpose,
        6: lambda a: np.rot90(a, -1),
        7: lambda a: np.rot90(a, 2).T,
        8: np.rot90,
    }
    expected = ways[orientation](stored)
    assert shown.shape == expected.shape
    assert np.abs(shown.astype(int) - expected).mean() < 3


def test_the_first_frame_of_an_animation(tmp_path: Path) -> None:
    frames = [Image.new("L", (2, 2), value) for value in (40, 200)]
    for name in ("x.gif", "x.png"):
        assert read(frames[0], tmp_path / name, save_all=True, append_images=frames[1:]) == [[40, 40], [40, 40]]


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n truncated"])
def test_no_image_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(UserError, match="not an image that can be read"):
        read_image(tmp_path / "x.png", 3)


def test_a_truncated_image_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)).save(tmp_path / "x.png")
    (tmp_path / "x.png").write_bytes((tmp_path / "x.png").read_bytes()[:2000])
    with pytest.raises(UserError, match="not an image that can be read"):
        read_image(tmp_path / "x.png", 1)


def test_a_folder_is_said_to_be_one(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["predict", f"ckpt={finished}", str(tmp_path)]) == 2
    assert f"{tmp_path}: is a folder; expected the image files in it" in capsys.readouterr().err
