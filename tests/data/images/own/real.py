"""Real images as someone might bring them: scikit-learn's digits, as files and as arrays."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from high_order_nets.data.images.digits import load_digits
from high_order_nets.data.images.own.prepare import OwnRequest, load_own
from high_order_nets.data.images.tensors import ImageData
from high_order_nets.errors import UserError


def digits(train: int = 120, test: int = 40) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The first digits of each split, (N, 8, 8), and their labels."""
    data = load_digits()
    return {
        "train": (data.train_images[:train, 0].numpy(), data.train_labels[:train].numpy()),
        "test": (data.test_images[:test, 0].numpy(), data.test_labels[:test].numpy()),
    }


def write_folder(root: Path) -> Path:
    """Write them as root/SPLIT/CLASS/NUMBER.png."""
    for split, (images, labels) in digits().items():
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            save(root / split / f"{label}" / f"{number:03}.png", image)
    return root


def write_csv(folder: Path) -> Path:
    """Write them as files beside a CSV that names them."""
    rows = []
    for split, (images, labels) in digits().items():
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            save(folder / split / f"{number:03}.png", image)
            rows.append((f"{split}/{number:03}.png", label, split))
    return write_rows(folder / "digits.csv", [("path", "label", "split"), *rows])


def write_npz(folder: Path) -> Path:
    """Write them as MedMNIST has its images."""
    splits = digits()
    arrays: dict[str, Any] = {f"{split}_images": images for split, (images, _) in splits.items()}
    arrays |= {f"{split}_labels": labels[:, None] for split, (_, labels) in splits.items()}
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / "digits.npz", **arrays)
    return folder / "digits.npz"


def write_rows(path: Path, rows: list[tuple]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def save(path: Path, pixels: np.ndarray | None = None) -> Path:
    """Write an image, by default a small grey one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((4, 4), 99, np.uint8) if pixels is None else pixels).save(path)
    return path


def small_folder(root: Path, *names: str) -> Path:
    """Write images of these names below the root; by default four of each of two classes to train, and one to test."""
    usual = [f"train/{label}/{number}.png" for label in "ab" for number in range(4)] + ["test/a/0.png", "test/b/0.png"]
    for name in names or usual:
        save(root / name)
    return root


def load(name: str, path: Path, **options) -> ImageData:
    """Open them; what is prepared of a file lies in prepared/ beside it."""
    return load_own(OwnRequest(name, path, path.parent / "prepared", **options))


def refused(name: str, path: Path, **options) -> str:
    """Give the one line that says why they cannot be opened."""
    with pytest.raises(UserError) as error:
        load(name, path, **options)
    said = str(error.value)
    assert "\n" not in said
    return said
