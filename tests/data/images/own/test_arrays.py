"""An npz of images and labels: which forms are taken, and which are refused, above all what would be unpickled."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.data.images.own.real import digits, load, refused, write_npz

LABELS = np.arange(20) % 2


def saved(folder: Path, **changes: Any) -> Path:
    """Save random images (N, 6, 6) with changes; None leaves an array out."""
    rng = np.random.default_rng(0)
    usual: dict[str, Any] = {
        f"{split}_images": rng.integers(0, 256, (20, 6, 6), np.uint8) for split in ("train", "test")
    }
    usual |= {f"{split}_labels": LABELS for split in ("train", "test")}
    np.savez(folder / "x.npz", **{key: value for key, value in (usual | changes).items() if value is not None})
    return folder / "x.npz"


def refusal(path: Path) -> str:
    said = refused("npz", path)
    assert said.startswith(f"dataset.path={path}: ")
    return said.removeprefix(f"dataset.path={path}: ")


def test_medmnists_form(tmp_path: Path) -> None:
    data = load("npz", write_npz(tmp_path))
    for split, (images, labels) in digits().items():
        assert torch.equal(getattr(data, f"{split}_images")[:, 0], torch.from_numpy(images))
        assert getattr(data, f"{split}_labels").tolist() == labels.tolist()


def test_colours_may_stand_first_or_last(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 3, 6, 6), np.uint8)
    for array in (images, np.moveaxis(images, 1, 3)):
        data = load("npz", saved(tmp_path, train_images=array, test_images=array, val_images=array, val_labels=LABELS))
        assert torch.equal(data.train_images[:20], torch.from_numpy(images))
        assert torch.equal(data.train_images[20:], torch.from_numpy(images))
        assert data.validation == 20


def test_labels_are_words_numbers_or_numbers_with_names(tmp_path: Path) -> None:
    words = np.array(["rain", "sun"])
    for changes, classes in (
        ({"train_labels": words[LABELS], "test_labels": words[LABELS]}, ("rain", "sun")),
        ({"classes": words}, ("rain", "sun")),
        ({"train_labels": LABELS * 7 + 2, "test_labels": LABELS * 7 + 2}, ("2", "9")),
        ({"train_labels": LABELS == 1, "test_labels": LABELS}, ("0", "1")),
        ({"train_labels": LABELS * 8 + 2, "test_labels": LABELS * 8 + 2}, ("2", "10")),
    ):
        data = load("npz", saved(tmp_path, **changes))
        assert data.classes == classes
        assert data.test_labels.tolist() == LABELS.tolist()


def test_no_test_images_no_square(tmp_path: Path) -> None:
    wide = np.zeros((20, 6, 10), np.uint8)
    wide[:, :, 2:8] = 200
    data = load("npz", saved(tmp_path, train_images=wide, test_images=None, test_labels=None), image_size=3)
    assert data.test_images.shape == (4, 1, 3, 3)
    assert data.test_images.unique().tolist() == [200]  # the middle square


class Hostile:
    """Leaves a file where it is unpickled."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self) -> Any:
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("key", ["train_images", "train_labels", "classes"])
def test_objects_are_never_unpickled(tmp_path: Path, key: str) -> None:
    array = np.array([Hostile(tmp_path / "marker")] * 20, dtype=object)
    assert "it holds Python objects, which are never opened" in refusal(saved(tmp_path, **{key: array}))
    (tmp_path / "x.npz").write_bytes(pickle.dumps(Hostile(tmp_path / "marker")))
    assert "it is none, and pickles are never opened" in refusal(tmp_path / "x.npz")
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"train_images": np.zeros((20, 6, 6))}, "train_images is float64 (20, 6, 6); expected uint8, 0 to 255"),
        ({"train_images": np.zeros((20, 36), np.uint8)}, "train_images is uint8 (20, 36); expected"),
        ({"train_images": np.zeros((20, 3, 3, 3), np.uint8)}, "train_images is uint8 (20, 3, 3, 3): either of two"),
        ({"train_images": np.zeros((20, 6, 6, 2), np.uint8)}, "train_images is uint8 (20, 6, 6, 2): colours are 1, 3"),
        ({"train_images": np.zeros((0, 6, 6), np.uint8)}, "train_images is uint8 (0, 6, 6); expected"),
        ({"train_labels": LABELS[:9]}, "20 train_images and 9 train_labels; expected a label an image"),
        ({"train_labels": LABELS * 1.0}, "train_labels is float64 (20,); expected whole numbers or words"),
        ({"train_labels": np.zeros((20, 2), int)}, "train_labels is int64 (20, 2); expected"),
        ({"test_labels": LABELS + 5}, "test has '5', '6', which train lacks (test_images[0])"),
        ({"train_labels": LABELS * 0}, "holds one class to train on, 0"),
        ({"test_labels": None}, "holds test_images, train_images, train_labels; expected train_images"),
        ({"train_images": None, "train_labels": None}, "holds test_images, test_labels; expected"),
        ({"classes": np.array(["only"])}, "classes <U4 (1,); expected a name for each"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    assert refusal(saved(tmp_path, **changes)).startswith(said)


def test_other_files_are_refused(tmp_path: Path) -> None:
    whole = saved(tmp_path).read_bytes()
    for content in (b"", b"no archive", whole[:400], whole.replace(b"(20, 6, 6)", b"(9**9,66) ")):
        (tmp_path / "x.npz").write_bytes(content)
        assert "cannot be read as an npz: " in refusal(tmp_path / "x.npz")
    np.save(tmp_path / "x.npy", LABELS)
    (tmp_path / "x.npy").rename(tmp_path / "x.npz")
    assert "cannot be read as an npz: " in refusal(tmp_path / "x.npz")
