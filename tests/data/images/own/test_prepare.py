"""What is prepared of one's own images: how they are cut and scaled, when it is made anew, where it lies."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from high_order_nets.data.images.files import read_square
from high_order_nets.data.images.module import ImageDataModule, ImageSettings
from high_order_nets.data.images.own import prepare
from high_order_nets.data.images.own.stream import write_stream
from high_order_nets.data.prepared import cache_folder
from high_order_nets.errors import UserError
from tests.data.images.own.real import load, save, small_folder

RNG = np.random.default_rng(0)


def test_images_that_are_unlike_become_middle_squares_of_64_pixels(tmp_path: Path) -> None:
    root = small_folder(tmp_path / "x")
    wide = RNG.integers(0, 256, (40, 100), np.uint8)
    save(root / "train" / "b" / "9.png", wide)
    data = load("folder", root)
    assert data.train_images.shape == (9, 1, 64, 64)
    square = torch.from_numpy(wide[:, 30:70].astype(np.float64))[None, None]
    scaled = torch.nn.functional.interpolate(square, (64, 64), mode="bilinear", antialias=True)
    assert (data.train_images[-1] - scaled).abs().max() <= 1
    assert data.train_images[0].unique().tolist() == [99]


@pytest.mark.parametrize(("channels", "expected"), [(None, 3), (1, 1), (3, 3)])
def test_one_image_in_colour_makes_all_of_three_channels(tmp_path: Path, channels: int | None, expected: int) -> None:
    root = small_folder(tmp_path / "x")
    save(root / "train" / "a" / "9.png", np.full((4, 4, 3), (255, 0, 0), np.uint8))
    data = load("folder", root, channels=channels)
    red = data.train_images[4, :, 0, 0].tolist()
    assert data.channels == expected
    assert red == ([255, 0, 0] if expected == 3 else [76])  # 0.299 of red is its grey
    assert data.train_images[0, :, 0, 0].tolist() == [99] * expected


@pytest.mark.parametrize(
    ("mode", "name"), [("P", "x.png"), ("RGBA", "x.png"), ("CMYK", "x.jpg"), ("I;16", "x.png"), ("1", "x.png")]
)
def test_any_mode_is_read_as_predict_reads_it(tmp_path: Path, mode: str, name: str) -> None:
    root = small_folder(tmp_path / "x")
    path = root / "train" / "a" / f"z{name}"
    image = Image.fromarray(RNG.integers(0, 256, (10, 12, 3), np.uint8))
    (image.convert("L") if mode == "I;16" else image).convert(mode).save(path)
    data = load("folder", root, image_size=5, channels=3)
    assert torch.equal(data.train_images[4], read_square(path, 3, 5)[0])


def test_a_second_start_reads_no_image_and_a_change_prepares_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = small_folder(tmp_path / "x")
    first = load("folder", root)
    with monkeypatch.context() as patch:
        patch.setattr(prepare, "open_image", lambda *_: pytest.fail("read again"))
        patch.setattr(prepare, "glance", lambda *_: pytest.fail("looked at again"))
        assert torch.equal(load("folder", root).train_images, first.train_images)
    path = root / "train" / "a" / "0.png"
    before = path.stat()
    save(path, np.full((4, 4), 98, np.uint8))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # as unpacking an archive may set it
    assert load("folder", root).train_images[0].unique().tolist() == [98]
    (root / "train" / "b" / "0.png").rename(root / "train" / "a" / "7.png")
    assert load("folder", root).train_labels.tolist() == [0] * 5 + [1] * 3
    assert len(list(root.glob("*.safetensors"))) == 3


def test_a_folder_that_cannot_be_written_is_prepared_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    one, other = (small_folder(tmp_path / name / "x") for name in ("one", "other"))
    make = prepare.whole_file

    def read_only(path: Path):
        if path.is_relative_to(one) or path.is_relative_to(other):
            raise PermissionError(13, "Permission denied", str(path))
        return make(path)

    monkeypatch.setattr(prepare, "whole_file", read_only)
    for root in (one, other):
        assert len(load("folder", root).train_images) == 8
    assert len(list(cache_folder().glob("x.*.safetensors"))) == 2


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    root = small_folder(tmp_path / "x")
    load("folder", root)
    (path,) = root.glob("*.safetensors")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match="delete it and run again"):
        load("folder", root)


@pytest.mark.parametrize("count", range(1, 10))
def test_a_stream_is_a_file_that_safetensors_reads(tmp_path: Path, count: int) -> None:
    images = RNG.integers(0, 256, (count + 3, 1, 3, 3), np.uint8)
    splits = ["train"] * count + ["val", "val", "test"]
    parts = zip(splits, images, range(count + 3), strict=True)
    write_stream(tmp_path / "x.safetensors", (1, 3, 3), parts, {"dataset": "x", "classes": "[]"})
    tensors = load_file(tmp_path / "x.safetensors")
    assert torch.equal(tensors["train_images"], torch.from_numpy(images[:-1]))
    assert torch.equal(tensors["test_images"], torch.from_numpy(images[-1:]))
    assert tensors["train_labels"].tolist() == list(range(count + 2))
    assert tensors["test_labels"].tolist() == [count + 2]


def test_dev_leaves_validation_images_where_they_are(tmp_path: Path) -> None:
    names = [f"{label}/{number}.png" for label in "ab" for number in range(10)]
    root = small_folder(tmp_path / "x", *(f"train/{name}" for name in names), "val/a/0.png", "val/b/0.png")
    save(root / "val" / "b" / "0.png", np.full((4, 4), 3, np.uint8))
    dev = load("folder", root).split("dev")  # a fifth is kept to test on; of the eight left a tenth is one
    assert dev.test_labels.tolist() == [0, 1]
    module = ImageDataModule(dev, ImageSettings(val_fraction=0.5, train_fraction=0.5))
    assert (len(module.train_indices), module.val_indices.tolist()) == (7, [14, 15])
    assert dev.train_labels[module.val_indices].tolist() == [0, 1]
    assert dev.train_images[15].unique().tolist() == [3]
