"""Checkpoints survive what happens to files, and a run what happens to its checkpoints."""

import struct
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from high_order_nets.errors import UserError
from high_order_nets.files import sweep, whole_file, write_text
from high_order_nets.run.checkpoints import read_checkpoint
from high_order_nets.tasks import Classification
from high_order_nets.training import run
from high_order_nets.training.checkpoint_io import WholeFiles
from tests.training.crashes import assert_equal, crash_at, results

Settings = Callable[..., dict[str, Any]]
FAST = ("model_name=simple", "dataset=digits", "train_fraction=0.3", "batch_size=64", "max_epochs=3")


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_a_bit(path: Path) -> None:
    """In the largest tensor: what pads the parts of the file says nothing."""
    with zipfile.ZipFile(path) as parts:
        largest = max(parts.infolist(), key=lambda part: part.file_size)
    content = bytearray(path.read_bytes())
    name_and_extra = struct.unpack_from("<HH", content, largest.header_offset + 26)
    content[largest.header_offset + 30 + sum(name_and_extra) + largest.file_size // 2] ^= 1
    path.write_bytes(content)


def empty(path: Path) -> None:
    path.write_bytes(b"")


DAMAGES = [truncate, flip_a_bit, empty]
SLOW = pytest.mark.slow


def test_a_file_is_there_whole_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_text(path, "before")
    with whole_file(path) as part:
        part.write_text("after")
        assert path.read_text() == "before"
    assert path.read_text() == "after"
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "half \udc80")
    assert [file.read_text() for file in tmp_path.iterdir()] == ["after"]


def test_the_last_but_one_is_kept_and_unfinished_files_are_swept(tmp_path: Path) -> None:
    for number in range(3):
        WholeFiles().save_checkpoint({"state_dict": {}, "config": number}, tmp_path / "last.ckpt")
    (tmp_path / "last.ckpt.part").write_bytes(b"killed here")
    sweep(tmp_path)
    assert {path.name: read_checkpoint(path)["config"] for path in tmp_path.iterdir()} == {
        "last.ckpt": 2,
        "previous.ckpt": 1,
    }


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_anywhere_in_the_data_is_found(damage: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "x.ckpt"
    WholeFiles().save_checkpoint({"state_dict": {"weight": torch.rand(1000)}, "config": {}}, path)
    damage(path)
    with pytest.raises(UserError, match=r"x\.ckpt: not a readable checkpoint"):
        read_checkpoint(path)


@pytest.mark.parametrize("damage", [pytest.param(truncate, marks=SLOW), flip_a_bit, pytest.param(empty, marks=SLOW)])
@pytest.mark.parametrize("names", [("last",), pytest.param(("last", "previous"), marks=SLOW)])
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_is_used(
    damage: Callable[[Path], None],
    names: tuple[str, ...],
    settings: Settings,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    config, folder = settings(*FAST), tmp_path / "damaged"
    run.train(config, tmp_path / "alone")
    with crash_at(Classification, "training_step", 14):  # in the third epoch of six steps
        run.train(config, folder)
    for name in names:
        damage(folder / "checkpoints" / f"{name}.ckpt")
    run.train(config, folder)
    for name in names:
        assert f"{name}.ckpt: not a readable checkpoint" in caplog.text
        assert (folder / "checkpoints" / f"{name}.ckpt.corrupt").exists()
    assert_equal(results(tmp_path / "alone"), results(folder))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk with room for one checkpoint of the run, but not for two."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", folder], check=False)
    if mounted.returncode:
        pytest.skip("mounting a file system is not allowed here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_leaves_the_last_good_checkpoint(small_disk: Path, settings: Settings, tmp_path: Path) -> None:
    config, folder = settings(*FAST), small_disk / "run"
    run.train(config, tmp_path / "alone")
    with pytest.raises(UserError, match="No space left on device; the last good checkpoint is still there"):
        run.train(config, folder)
    assert read_checkpoint(folder / "checkpoints" / "last.ckpt")["epoch"] == 1
    assert not list(folder.glob("**/*.part"))
    subprocess.run(["mount", "-o", "remount,size=20m", small_disk], check=True)
    run.train(config, folder)
    assert_equal(results(tmp_path / "alone"), results(folder))


def test_checkpoints_are_plain_data(settings: Settings, tmp_path: Path) -> None:
    run.train(settings(*FAST, "max_epochs=1", "val_fraction=0.2", "early_stopping=3", "scheduler=plateau"), tmp_path)
    for path in (tmp_path / "checkpoints").iterdir():
        # The previous one was saved before the last step, for a validation that is stopped.
        assert torch.load(path, weights_only=True)["progress"]["done"] == (path.name != "previous.ckpt")
