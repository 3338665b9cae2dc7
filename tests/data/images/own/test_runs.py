"""One's own images in each form train, are tested, predicted and exported."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from high_order_nets import cli, load
from high_order_nets.errors import UserError
from high_order_nets.run.claims import check_same
from high_order_nets.run.folder import Run, metrics_of
from high_order_nets.settings import deciding
from high_order_nets.sweeps.table import columns
from tests.data.images.own.real import save, small_folder, write_csv, write_folder, write_npz
from tests.experiments import composed

WRITERS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "folder": (write_folder, "dataset.root"),
    "csv": (write_csv, "dataset.path"),
    "npz": (write_npz, "dataset.path"),
}
USUAL = ["model_name=simple", "trainer=cpu", "plots.enabled=false", "max_epochs=1", "dataset.augment.crop=1"]


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HIGH_ORDER_NETS_DATA", str(tmp_path / "root"))
    return tmp_path / "root"


@pytest.mark.parametrize("name", WRITERS)
def test_train_test_predict_export(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write, key = WRITERS[name]
    path, run = write(tmp_path / "mine"), tmp_path / "run"
    line = [f"dataset={name}", f"{key}={path}", "dataset.normalize=standard", "predictions=true", *USUAL]
    assert cli.main(["train", *line, f"run_dir={run}"]) == 0
    figures = metrics_of(run)
    assert figures["status"] == "finished"
    assert load(run).classes == tuple("0123456789")
    capsys.readouterr()
    assert cli.main(["test", f"ckpt={run}"]) == 0
    assert f"{figures['test_acc']:.2%}" in capsys.readouterr().out
    assert cli.main(["export", f"ckpt={run}", "format=torch_export"]) == 0
    if name != "npz":  # which has no files
        _check_predictions(run, tmp_path / "mine" / "test", tmp_path / "out.csv")


def _check_predictions(run: Path, folder: Path, out: Path) -> None:
    """The test images as files are told as the test told them."""
    assert cli.main(["predict", f"ckpt={run}", str(folder), f"out={out}"]) == 0
    with out.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with (run / "predictions.csv").open(encoding="utf-8") as file:
        tested = list(csv.DictReader(file))
    assert [row["class"] for row in rows] == [row["predicted"] for row in tested]
    pairs = zip(rows, tested, strict=True)
    assert all(float(row["probability"]) == pytest.approx(float(each["probability"]), abs=1e-4) for row, each in pairs)


def test_its_validation_images_are_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_folder(tmp_path / "mine")
    for label in range(10):
        save(root / "val" / str(label) / "x.png", np.full((8, 8), 99, np.uint8))
    line = [f"dataset.root={root}", "dataset=folder", "early_stopping=2", "val_fraction=0.2", *USUAL]
    assert cli.main(["train", *line, f"run_dir={tmp_path / 'run'}"]) == 0
    said = capsys.readouterr().err
    assert "val_fraction is not read by dataset=folder" in said
    assert "120 images to train on, 10 to validate, 40 to test on, 10 classes, 1×8×8" in said
    figures = metrics_of(tmp_path / "run")
    assert (figures["tested"], round(figures["val_acc"], 6)) == ("best", 0.1)  # ten images alike, of ten classes


def test_a_run_belongs_to_its_folder(tmp_path: Path) -> None:
    one, other = (composed("dataset=folder", f"dataset.root={tmp_path}/{name}") for name in "ab")
    assert deciding(one) != deciding(other)
    with pytest.raises(UserError, match=r"run_dir=x: holds a run of another config, dataset\.root="):
        check_same(one, other, "run_dir=x")
    runs = [Run(tmp_path / name, config, ("dataset.root",)) for name, config in (("a", one), ("b", other))]
    assert columns(runs) == ["dataset.root"]
    one, other = (composed("dataset=cifar10", f"dataset.root={tmp_path}/{name}") for name in "ab")
    assert deciding(one) == deciding(other)
    check_same(one, other, "run_dir=x")


def test_a_folder_with_another_class_since_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, run = small_folder(tmp_path / "mine"), tmp_path / "run"
    line = ["train", "dataset=folder", f"dataset.root={root}", f"run_dir={run}", "dataset.image_size=8", *USUAL]
    assert cli.main(line) == 0
    (root / "train" / "b").rename(root / "train" / "0")
    (root / "test" / "b").rename(root / "test" / "0")
    capsys.readouterr()
    for again in ([*line, "max_epochs=2"], ["test", f"ckpt={run}"]):
        assert cli.main(again) == 2
        *_, said = capsys.readouterr().err.splitlines()
        assert said.endswith("the run's data have other classes by now: without b, with 0 in addition")


@pytest.mark.parametrize("name", WRITERS)
def test_what_is_wanted_is_said_in_a_line(name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    key = WRITERS[name][1]
    for value, said in (("", f"{key}=null: name a"), (f"{key}={tmp_path}/none", f"{key}={tmp_path}/none: ")):
        assert cli.main(["train", f"dataset={name}", *filter(None, [value]), f"run_dir={tmp_path / 'run'}"]) == 2
        *_, line = capsys.readouterr().err.splitlines()
        assert line.startswith(f"high-order-nets: {said}")
