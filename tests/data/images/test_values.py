"""Values and refusals of the data that only a hand's calculation, or a strange file, shows."""

import hashlib
import json
import re
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision.datasets import utils

from high_order_nets.data.download import TIMEOUT
from high_order_nets.data.factory import image_data_module
from high_order_nets.data.images import prepared
from high_order_nets.data.images.augment import Augment, _outside_square
from high_order_nets.data.images.module import ImageDataModule, ImageSettings
from high_order_nets.data.images.normalise import CHUNK, Normalisation
from high_order_nets.data.images.prepared import load_images, read_prepared
from high_order_nets.data.images.sources import Archive, RawFile, Source, find_source
from high_order_nets.data.split import split_indices
from high_order_nets.errors import UserError
from tests.data.conftest import make_images


@pytest.mark.parametrize(("side", "before"), [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2)])
def test_a_blank_square_lies_around_its_centre(side: int, before: int) -> None:
    mask = _outside_square(torch.ones(400, 1, 9, 9), side, torch.Generator().manual_seed(0))
    blank = mask.eq(0)
    for rows in (blank.any(3)[:, 0], blank.any(2)[:, 0]):
        found = {tuple(row.nonzero()[:, 0].tolist()) for row in rows}
        assert found == {tuple(range(max(0, c - before), min(9, c - before + side))) for c in range(9)}


def test_statistics_of_more_images_than_one_chunk() -> None:
    images = torch.randint(0, 256, (CHUNK + 5, 2, 1, 2), dtype=torch.uint8)
    images[:, 1] = 7  # without contrast: half a grey level
    images[CHUNK:, 0] = 255
    found = Normalisation.to_standard(images, 3.0, 5)
    channel = images[:, 0].numpy().astype(np.float64)
    assert found.offset == pytest.approx([channel.mean(), 7.0], rel=1e-14)
    assert found.factor == pytest.approx([3 / (4 * channel.std()), 3 / (4 * 0.5)], rel=1e-12)
    assert found.image_size == 5


def test_a_little_contrast_is_what_it_is() -> None:
    images = torch.tensor([100, 102], dtype=torch.uint8)[:, None, None, None]
    assert Normalisation.to_standard(images, 2.0).factor == (0.5,)  # a deviation of 1


def test_a_checkpoint_has_classes_and_normalisation() -> None:
    module = ImageDataModule(make_images(), ImageSettings(interval=4.0, image_size=6))
    assert module.state_dict() == {
        "classes": ["a", "b", "c"],
        "normalisation": {"offset": [127.5] * 3, "factor": [4 / 255] * 3, "image_size": 6},
    }


def test_the_split_without_a_seed_is_that_of_seed_1() -> None:
    plain = split_indices(20, train_fraction=0.5, val_fraction=0.5)
    seeded = split_indices(20, train_fraction=0.5, val_fraction=0.5, seed=1)
    assert [part.tolist() for part in plain] == [part.tolist() for part in seeded]


@pytest.mark.parametrize(
    ("train_fraction", "val_fraction", "said"),
    [
        (0.0, 0.0, r"^train_fraction=0\.0 must lie in \(0, 1\]$"),
        (0.5, 0.9, r"of 10 images leave 1 to train on and 4 to validate"),
        (1.0, 0.01, r"of 10 images leave 10 to train on and 0 to validate: use larger fractions$"),
        (0.1, 0.6, r"of 10 images leave 0 to train on and 1 to validate"),
    ],
)
def test_a_split_that_leaves_nothing(train_fraction: float, val_fraction: float, said: str) -> None:
    if "leave 1 to" in said:
        kept, held_out = split_indices(10, train_fraction=train_fraction, val_fraction=val_fraction)
        assert (len(kept), len(held_out)) == (1, 4)
        return
    with pytest.raises(UserError, match=said):
        split_indices(10, train_fraction=train_fraction, val_fraction=val_fraction)


# --- prepared files


def contents() -> dict[str, torch.Tensor]:
    data = make_images(6)
    return {key: getattr(data, key).clone() for key in prepared.KEYS}


def write(folder: Path, classes: Any = ("a", "b", "c"), **changes: torch.Tensor) -> Path:
    metadata = {"dataset": "noise"} | ({} if classes is None else {"classes": json.dumps(classes)})
    save_file(contents() | changes, folder / "noise.safetensors", metadata)
    return folder / "noise.safetensors"


def test_a_prepared_file_is_read_as_it_is(tmp_path: Path) -> None:
    data = read_prepared(write(tmp_path), "noise")
    assert (data.name, data.classes, data.channels, data.image_size) == ("noise", ("a", "b", "c"), 3, 8)
    assert all(getattr(data, key).equal(value) for key, value in contents().items())
    labels = {f"{split}_labels": contents()[f"{split}_labels"] % 2 for split in ("train", "test")}
    assert read_prepared(write(tmp_path, ["a", "b"], **labels), "noise").classes == ("a", "b")


IMAGES, LABELS = contents()["test_images"], contents()["test_labels"]
NOT_SQUARE = "not square uint8 (N, C, H, W)"
NAMES = 'its metadata key classes must hold a JSON list of class names, such as ["cat", "dog"]'


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"test_images": IMAGES.float()}, f"images are torch.float32 (3, 3, 8, 8), {NOT_SQUARE}"),
        ({"test_images": IMAGES[0]}, f"images are torch.uint8 (3, 8, 8), {NOT_SQUARE}"),
        ({"test_images": IMAGES[..., :5].clone()}, f"images are torch.uint8 (3, 3, 8, 5), {NOT_SQUARE}"),
        ({"test_images": IMAGES[..., :5, :].clone()}, f"images are torch.uint8 (3, 3, 5, 8), {NOT_SQUARE}"),
        ({"test_images": IMAGES[:0], "test_labels": LABELS[:0]}, f"images are torch.uint8 (0, 3, 8, 8), {NOT_SQUARE}"),
        ({"test_images": IMAGES[..., :5, :5].clone()}, "training and test images differ in shape"),
        ({"test_labels": LABELS.int()}, "labels are torch.int32 (3,), not one int64 an image"),
        ({"test_labels": LABELS[:2].clone()}, "labels are torch.int64 (2,), not one int64 an image"),
        ({"test_labels": LABELS + 1}, "labels lie outside 0 … 2"),
        ({"test_labels": LABELS - 1}, "labels lie outside 0 … 2"),
        *(({"classes": classes}, NAMES) for classes in (None, [], {"a": 1}, [1, 2, 3], "abc")),
    ],
)
def test_a_prepared_file_that_is_not_right_says_why(changes: dict[str, Any], reason: str, tmp_path: Path) -> None:
    path = write(tmp_path, **changes)
    advice = "nothing else can make it: mend it, or name another"
    message = f"{path} is not a prepared noise ({reason}): {advice}"
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        read_prepared(path, "noise")


def test_a_file_that_can_be_made_again_may_be_deleted(tmp_path: Path) -> None:
    path = write(tmp_path).rename(tmp_path / "mnist.safetensors")
    reason = "its metadata key dataset is 'noise', not 'mnist'"
    message = f"{path} is not a prepared mnist ({reason}): delete it and run again"
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        read_prepared(path, "mnist")


class FakeSource:
    """A source whose files lie there or are downloaded."""

    name = "mnist"

    def __init__(self, there: bool):
        self.there, self.done = there, list[str]()

    def present(self) -> bool:
        return self.there

    def download(self) -> None:
        self.done.append("download")

    def verify(self) -> None:
        self.done.append("verify")

    def read(self) -> Any:
        self.done.append("read")
        return make_images()


@pytest.mark.parametrize("there", [True, False])
def test_a_file_is_made_of_what_is_there_or_fetched(
    there: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, source = tmp_path / "mnist.safetensors", FakeSource(there)
    with caplog.at_level("INFO"):
        prepared._make(source, tmp_path, path)  # type: ignore[arg-type]
    assert source.done == [*([] if there else ["download"]), "verify", "read"]
    assert caplog.messages == [*([] if there else [f"downloading mnist to {tmp_path}"]), f"preparing {path}"]
    assert read_prepared(path, "noise").classes == ("a", "b", "c")


# --- sources


@pytest.mark.parametrize(("name", "folder"), [("mnist", "MNIST/raw"), ("cifar100", "cifar-100-python")])
def test_a_source_says_where_it_lies(name: str, folder: str, tmp_path: Path) -> None:
    source = find_source(name, tmp_path)
    assert (source.name, source.folder) == (name, tmp_path / folder)
    assert {file.path.parent for file in source.files} == {tmp_path / folder}
    for archive in source.archives:
        assert re.fullmatch("[0-9a-f]{32}", archive.md5)
        assert all(url.endswith(archive.filename) for url in archive.urls)
        assert archive.folder == (source.folder if name == "mnist" else tmp_path)


def test_checksums_are_taken_where_md5_is_barred_from_security(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    new = hashlib.new

    def fips(name: str, *, usedforsecurity: bool = True) -> Any:
        assert not usedforsecurity, "a FIPS build of OpenSSL refuses MD5 for security"
        return new(name)

    monkeypatch.setattr(hashlib, "new", fips)
    (tmp_path / "x").write_bytes(b"abc")
    files = (RawFile(tmp_path / "x", "md5", "900150983cd24fb0d6963f7d28e17f72"),)  # RFC 1321's own example
    Source("x", tmp_path, files, (), make_images).verify()


def test_a_download_that_fails_names_every_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = []

    def download(url: str, *_: Any, **__: Any) -> None:
        limits.append(socket.getdefaulttimeout())
        raise OSError("no\n  route") if url == "u1" else ConnectionResetError

    monkeypatch.setattr(utils, "download_and_extract_archive", download)
    source: Any = SimpleNamespace(name="mnist", folder=tmp_path)
    with pytest.raises(UserError) as raised:
        Source._fetch(source, Archive(("u1", "u2"), tmp_path, "x.gz", "0"))
    assert str(raised.value) == (
        f"cannot get {tmp_path / 'x.gz'} from u1 (no route) or u2 (ConnectionResetError): put the files of mnist under "
        f"{tmp_path}, set $HIGH_ORDER_NETS_DATA to a folder that has them, or use dataset=digits, which needs no "
        "download"
    )
    assert limits == [TIMEOUT, TIMEOUT]
    assert socket.getdefaulttimeout() is None


def test_a_config_becomes_its_data_module(tmp_path: Path) -> None:
    write(tmp_path)
    dataset = {"name": "noise", "root": str(tmp_path), "subset": "first", "normalize": "standard", "interval": 3.0}
    dataset |= {"image_size": 4, "augment": {"crop": 1, "flip": True}}
    config = {"dataset": dataset, "batch_size": 2, "seed": 3, "train_fraction": 0.5, "val_fraction": 0.25}
    module = image_data_module(config | {"augment": True, "num_workers": 0})
    assert module.data.name == "noise"
    assert module.settings == ImageSettings(
        2, 3, 0.5, 0.25, "first", Augment(crop=1, flip=True), "standard", 3.0, 4, num_workers=0
    )
    assert image_data_module(config | {"augment": False, "num_workers": 1}).settings.augment is None
    with pytest.raises(UserError, match=r"^dataset 'gone': no file .*gone\.safetensors; known without one: digits, "):
        load_images("gone", tmp_path)
