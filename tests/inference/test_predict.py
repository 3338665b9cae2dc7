"""Image files are read as a viewer shows them, or refused in a line."""

import csv
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from high_order_nets import cli
from high_order_nets.data.images.files import read_image
from high_order_nets.errors import UserError
from high_order_nets.inference.classifier import Classifier
from high_order_nets.inference.load import load
from high_order_nets.inference.predict import AT_ONCE, predict

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


def test_folders_are_predicted_in_a_csv(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ['a, b/"x".png', "a, b/.hidden.png", "a, b/deeper/=1+1.jpg", "y.PNG", os.fsdecode(b"\xff.png")]
    for place, name in enumerate(names):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (9, 5 + place), 40 * place).save(tmp_path / "in" / name, "png")
    for name in ("notes.txt", "prepared.safetensors"):
        (tmp_path / "in" / name).touch()
    single = tmp_path / "single.png"
    Image.new("L", (8, 8)).save(single)
    out = tmp_path / "out.csv"
    assert cli.main(["predict", f"ckpt={finished}", f"out={out}", str(tmp_path / "in"), str(single)]) == 0
    said = capsys.readouterr()
    assert said.out == f"{out}: predictions of 5 images\n"
    assert f"{tmp_path / 'in' / 'notes.txt'} is no image and left out" in said.err
    with out.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        rows = list(csv.DictReader(file))
    expected = ["y.PNG", names[4], names[0], names[2]]
    assert [row["path"] for row in rows] == [*(f"{tmp_path}/in/{name}" for name in expected), str(single)]
    assert list(rows[0])[:5] == ["path", "class", "probability", "class2", "probability2"]
    chances = [[float(row[f"probability{rank}"]) for rank in ("", 2, 3, 4, 5)] for row in rows]
    assert all(values == sorted(values, reverse=True) and 0 < sum(values) <= 1.001 for values in chances)


def test_one_image_of_many_is_what_it_is_alone(finished: Path, tmp_path: Path) -> None:
    module = load(finished)
    assert isinstance(module, Classifier)
    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 256, (12, 12 + place), np.uint8)) for place in range(AT_ONCE + 3)]
    for place, image in enumerate(images):
        image.save(tmp_path / f"{place:03}.png")
    predict(finished, sorted(tmp_path.glob("*.png")), tmp_path / "out.csv")
    rows = (tmp_path / "out.csv").read_text().splitlines()[1:]
    assert len(rows) == len(images)
    for place in (0, AT_ONCE - 1, AT_ONCE, AT_ONCE + 2):
        left = place // 2  # of the middle square
        square = images[place].crop((left, 0, left + 12, 12)).resize((8, 8), Image.Resampling.BILINEAR)
        chances = module.probabilities(torch.from_numpy(np.array(square))[None, None])[0].detach()
        name, chance = rows[place].split(",")[1:3]
        assert name == module.classes[int(chances.argmax())]
        assert float(chance) == pytest.approx(float(chances.max()), abs=1e-5)


def test_what_cannot_be_read_is_named_and_the_rest_predicted(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.png", "c.png"):
        Image.new("L", (8, 8)).save(tmp_path / name)
    (tmp_path / "b.png").write_bytes(b"no image")
    (tmp_path / "d.png").symlink_to("gone.png")
    assert cli.main(["predict", f"ckpt={finished}", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert [line.split()[0] for line in said.out.splitlines()] == [f"{tmp_path}/a.png", f"{tmp_path}/c.png"]
    assert said.err.splitlines() == [
        f"high-order-nets: {tmp_path}/b.png: not an image that can be read (no kind of image that is known)",
        f"high-order-nets: {tmp_path}/d.png: not an image that can be read (No such file or directory)",
    ]
    out = tmp_path / "out.csv"
    assert (
        cli.main(["predict", f"ckpt={finished}", str(tmp_path / "b.png"), str(tmp_path / "b.png"), f"out={out}"]) == 2
    )
    assert "so with all 2 images" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["empty"], "no image in this folder"),
        (["linked"], "leads out of"),
        (["x.png", "out=none/out.csv"], "out=none/out.csv: expected a file in a folder that is there"),
        (["x.png", "out=empty"], "out=empty: expected a file in a folder"),
        (["x.png", "out=x.png"], "out=x.png: expected a file in a folder that is there, and none of the images"),
        (["text=a word", "out=x.csv"], "out=x.csv: unknown key out"),
    ],
)
def test_what_is_refused_before_anything_is_predicted(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys, words: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("L", (8, 8)).save("x.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "x.png").symlink_to(tmp_path / "x.png")
    assert cli.main(["predict", f"ckpt={finished}", *words]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err
