"""The splits that one's own images bring are told by names alone, before torch is there."""

from pathlib import Path

import numpy as np
import pytest

from high_order_nets.own import splits


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["train", "test"], {"train", "test"}),
        (["Train", "validation"], {"train", "val"}),
        (["cats", "dogs"], {"train"}),
        (["test"], set()),
        (["val", "valid", "train"], set()),
    ],
)
def test_of_a_folder(tmp_path: Path, names: list[str], found: set[str]) -> None:
    for name in names:
        (tmp_path / name).mkdir()
    assert splits({"name": "folder", "root": str(tmp_path)}) == found


def test_of_a_csv_also_after_a_change(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    for text, found in (
        ("path,label\na,b\n", {"train"}),
        ("path,label,split\na,b,Val\nc,d,train\n", {"val", "train"}),
        ("x,y\n1,2\n", set()),
    ):
        path.write_text(text)
        assert splits({"name": "csv", "path": str(path)}) == found


def test_of_an_npz(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, train_images=[1], val_images=[2], other=[3])
    assert splits({"name": "npz", "path": str(path)}) == {"train", "val"}
    path.write_bytes(b"no archive")
    assert splits({"name": "npz", "path": str(path)}) == set()


@pytest.mark.parametrize("name", ["folder", "csv", "npz", "cifar10"])
def test_what_is_not_there_brings_none(name: str, tmp_path: Path) -> None:
    for value in (None, str(tmp_path / "none")):
        assert splits({"name": name, "root": value, "path": value}) == set()
