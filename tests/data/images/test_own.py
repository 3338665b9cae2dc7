"""Data sets of one's own: a prepared file is enough; folders that cannot be written; modes of files."""

import errno
import json
import os
import stat
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from high_order_nets import cli
from high_order_nets.cli import completion
from high_order_nets.config.catalogue import choices_of
from high_order_nets.data import prepared as shared
from high_order_nets.data.images import prepared
from high_order_nets.data.images.prepared import load_images
from high_order_nets.errors import UserError
from high_order_nets.files import write_text

FAST = ["model_name=simple", "max_epochs=1", "plots.enabled=false", "trainer=cpu"]


def write(path: Path, **metadata: str) -> None:
    images = torch.randint(0, 256, (40, 1, 8, 8), dtype=torch.uint8)
    labels = torch.arange(40) % (1 if "one" in metadata else 2)
    tensors = {
        "train_images": images,
        "test_images": images.clone(),
        "train_labels": labels,
        "test_labels": labels.clone(),
    }
    save_file(tensors, path, {"dataset": path.stem, "classes": json.dumps(["cat", "dog"])} | metadata)


def test_a_prepared_file_is_a_data_set(tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("HIGH_ORDER_NETS_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    write(tmp_path / "data" / "mine.safetensors")
    assert cli.main(["train", "dataset=mine", *FAST, f"run_dir={tmp_path / 'run'}"]) == 0
    assert cli.main(["test", f"ckpt={tmp_path / 'run'}"]) == 0
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["choices"]["dataset"] == "mine"
    assert "mine" in choices_of("dataset")
    capsys.readouterr()
    assert cli.main(["list", "datasets"]) == 0
    assert "mine" in capsys.readouterr().out
    assert "dataset=mine" in " ".join(completion.candidates("high-order-nets train dataset=mi", {"train": ""}))
    assert cli.main(["train", "dataset=mihe"]) == 2
    assert "nearest valid name: mine" in capsys.readouterr().err


def test_a_root_on_the_line_is_looked_into_and_taken_as_it_is(tmp_path: Path) -> None:
    root = tmp_path / "a,b ${n}"
    root.mkdir()
    write(root / "mine.safetensors")
    argv = ["train", "-m", "dataset=mine,digits", f"dataset.root={root}", *FAST, "train_fraction=0.1"]
    assert cli.main([*argv, f"run_dir={tmp_path / 'a, run'}"]) == 0
    assert (tmp_path / "a, run" / "results.csv").is_file()


@pytest.mark.parametrize("name", ["../mine", "mi/ne", "unknown"])
def test_a_name_that_is_no_file_there_is_refused(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "mine.safetensors")
    (tmp_path / "data").mkdir()
    assert cli.main(["train", f"dataset={name}", f"dataset.root={tmp_path / 'data'}"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"classes": "cat,dog"}, "nothing else can make it"),
        (
            {"classes": json.dumps({"a": 1})},
            r"classes must hold a JSON list of class names, such as \[\"cat\"",
        ),
        ({"dataset": "other"}, "metadata key dataset is 'other', not 'mine'"),
    ],
)
def test_errors_say_which_key_must_hold_what(tmp_path: Path, metadata: dict[str, str], said: str) -> None:
    write(tmp_path / "mine.safetensors", **metadata)
    with pytest.raises(UserError, match=said) as refused:
        load_images("mine", tmp_path)
    assert "delete" not in str(refused.value)


class Source:
    """Raw files that are there."""

    name, reads = "mnist", 0

    def present(self) -> bool:
        return True

    def verify(self) -> None:
        pass

    def read(self) -> prepared.ImageData:
        Source.reads += 1
        images, labels = torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.arange(4) % 2
        return prepared.ImageData("mnist", ("a", "b"), images, labels, images.clone(), labels.clone())


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_folder_that_cannot_be_written_uses_the_cache(tmp_path: Path, monkeypatch, caplog, number: int) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(prepared, "find_source", lambda *_: Source())
    lock = shared.FileLock

    def refusing(path: Path):
        if tmp_path / "shared" in path.parents:
            raise OSError(number, os.strerror(number), str(path))
        return lock(path)

    monkeypatch.setattr(shared, "FileLock", refusing)
    (tmp_path / "shared").mkdir()
    Source.reads = 0
    with caplog.at_level("INFO"):
        assert load_images("mnist", tmp_path / "shared").classes == ("a", "b")
    assert "cannot be written: the prepared file goes to" in caplog.text
    assert load_images("mnist", tmp_path / "shared").classes == ("a", "b")
    assert Source.reads == 1
    assert (tmp_path / "cache" / "high-order-nets" / "mnist.safetensors").is_file()


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_files_follow_the_umask(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write_text(tmp_path / "x.json", "{}")
        data = Source().read()
        prepared._write(data, tmp_path / "x.safetensors")
        prepared._write(data, tmp_path / "x.safetensors")
    finally:
        os.umask(before)
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


def test_weights_and_exports_are_as_readable_as_all_else(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert cli.main(["train", "dataset=digits", *FAST, "train_fraction=0.1", f"run_dir={folder}"]) == 0
    for form in ("safetensors", "torch_export"):
        assert cli.main(["export", f"ckpt={folder}", f"format={form}", f"out={folder / form}"]) == 0
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()}
    assert len(set(modes.values())) == 1, modes
