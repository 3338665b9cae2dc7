"""Folders with a folder for each class: how they are read, and which are refused, in a line."""

import os
from pathlib import Path

import pytest
import torch

from tests.data.images.own.real import digits, load, refused, save, small_folder, write_folder


def test_images_and_labels_are_those_of_the_files(tmp_path: Path) -> None:
    data = load("folder", write_folder(tmp_path / "digits"))
    assert data.classes == tuple("0123456789")
    for split, (images, labels) in digits().items():
        order = sorted(range(len(labels)), key=lambda i, labels=labels: (labels[i], i))
        assert torch.equal(getattr(data, f"{split}_images")[:, 0], torch.from_numpy(images[order]))
        assert getattr(data, f"{split}_labels").tolist() == labels[order].tolist()


def test_numbers_are_in_their_order_and_words_in_the_alphabets(tmp_path: Path) -> None:
    for names in (("9", "10"), ("10", "9b")):
        root = small_folder(
            tmp_path / names[0], *(f"{split}/{name}/x.png" for split in ("train", "test") for name in names)
        )
        assert load("folder", root).classes == names


def test_classes_without_splits_are_divided_always_alike(tmp_path: Path) -> None:
    root = small_folder(tmp_path / "flat", *(f"{label}/{number}.png" for label in "ab" for number in range(10)))
    first = load("folder", root)
    assert first.train_labels.tolist() == [0] * 8 + [1] * 8
    assert first.test_labels.tolist() == [0, 0, 1, 1]
    again = load("folder", root, channels=3)
    assert torch.equal(first.test_images.expand(-1, 3, -1, -1), again.test_images)


def test_val_comes_behind_the_images_to_train_on(tmp_path: Path) -> None:
    root = small_folder(tmp_path / "x")
    save(root / "Valid" / "b" / "x.png", torch.full((4, 4), 7, dtype=torch.uint8).numpy())
    data = load("folder", root)
    assert (data.validation, len(data.train_images)) == (1, 9)
    assert (data.train_images[-1].unique().tolist(), data.train_labels[-1].item()) == ([7], 1)


def test_what_is_no_image_is_named_and_what_is_hidden_is_not(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = small_folder(tmp_path / "x")
    for name in ("train/a/notes.txt", "train/a/.hidden.png", "train/.cache/x.png", "train/README", "other/x.png"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"no image")
    os.mkfifo(root / "train" / "b" / "pipe.png")
    (root / "train" / "a" / "deeper").mkdir()
    save(root / "train" / "a" / "deeper" / "x.JPG")
    with caplog.at_level("INFO"):
        assert len(load("folder", root).train_images) == 9
    assert f"{root}: ignored: other, train/README, train/a/notes.txt, train/b/pipe.png" in caplog.messages


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["readme.png"], "no folder of a class in ROOT; expected a folder with train/CLASS"),
        (["train/a/x.png", "test/a/x.png"], "holds one class to train on, a; telling classes apart needs two"),
        (["test/a/x.png"], "has test, but no train"),
        (["train/a/x.png", "val/a/x.png", "valid/a/x.png"], "has both val and valid; leave one of them"),
        (["train/a/x.png", "train/b/x.txt.png/x.gif", "train/c/d/.x.png"], "no image to train on in c; put some"),
        (["train/a/x.png", "train/b/x.png", "test/c/x.png"], "test has 'c', which train lacks (test/c/x.png)"),
        (["train/a/x.png", "train/b/x.png", "test/a/.x.png"], "test has no images; put some there, or remove it"),
        (["train/a/x.png", "train/b/x.png"], "dataset.test_fraction=0.2 of each class leaves 2 of its images to train"),
        (["train/a/x.png", "train/\x1b[2J/x.png"], r"the class '\x1b[2J' has a name that cannot be shown"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path: Path, names: list[str], said: str) -> None:
    root = small_folder(tmp_path / "x", *names)
    assert refused("folder", root).startswith(f"dataset.root={root}: {said.replace('ROOT', str(root))}")


def test_files_that_cannot_be_read_are_named_and_left_out_only_if_asked(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = small_folder(tmp_path / "x")
    whole = save(root / "train" / "b" / "9.png", torch.arange(4096).byte().view(64, 64).numpy()).read_bytes()
    broken = {"train/a/8.png": b"no image", "train/b/9.png": whole[:-40], "test/b/1.png": b"", "train/b/8.png": None}
    for name, content in broken.items():
        (root / name).write_bytes(content) if content is not None else (root / name).symlink_to("gone.png")
    said = refused("folder", root)
    assert not list(root.glob("*.safetensors*"))
    assert f"dataset.root={root}: 4 images cannot be read: " in said
    assert all(f"{name} (" in said for name in broken)
    assert said.endswith("mend or remove them, or dataset.skip_unreadable=true leaves them out")
    data = load("folder", root, skip_unreadable=True)
    assert (len(data.train_images), len(data.test_images)) == (8, 2)
    assert any("4 images cannot be read" in each and each.endswith("they are left out") for each in caplog.messages)
    for number in range(11):
        (root / "train" / "a" / f"x{number:02}.png").touch()
    assert "x08.png (no kind of image that is known), … (15 in all)" in refused("folder", root)


def test_a_class_of_which_nothing_is_left_is_refused(tmp_path: Path) -> None:
    root = small_folder(tmp_path / "x")
    (root / "train" / "c").mkdir()
    (root / "train" / "c" / "x.png").touch()
    assert "no image is left of c" in refused("folder", root, skip_unreadable=True)


@pytest.mark.parametrize("link", ["train/a/x.png", "train/c", "test", "train/a/deeper"])
def test_links_out_of_the_folder_are_refused(tmp_path: Path, link: str) -> None:
    names = ["train/a/0.png", "train/b/0.png"]
    outside, root = small_folder(tmp_path / "outside", *names), small_folder(tmp_path / "x", *names)
    (root / link).symlink_to(outside / names[0] if link.endswith("png") else outside / "train")
    assert f"leads out of {root}, to {outside}/train" in refused("folder", root)


def test_links_inside_are_followed_and_circles_refused(tmp_path: Path) -> None:
    root = small_folder(tmp_path / "x")
    (root / "train" / "c").symlink_to(root / "train" / "a")
    (tmp_path / "alias").symlink_to(root)
    data = load("folder", tmp_path / "alias")
    assert data.classes == ("a", "b", "c")
    assert data.train_labels.bincount().tolist() == [4, 4, 4]
    for path in root.glob("*.safetensors"):
        path.unlink()
    (root / "train" / "a" / "again").symlink_to(root / "train" / "a")
    assert f"the link {root}/train/a/again: leads to {root}/train/a, in which it lies" in refused("folder", root)
