"""Of a sweep the best runs alone keep their checkpoints, where that is asked for."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from high_order_nets import cli, load
from high_order_nets.run.claims import claimed
from high_order_nets.run.folder import job_folders
from high_order_nets.run.keep import keep_best
from high_order_nets.training.resume import find_start
from tests.runner import Runner
from tests.sweeps.tables import leave


def run(folder: Path, **metrics: Any) -> Path:
    """Leave a run with checkpoints and weights."""
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints" / "last.ckpt").touch()
    (folder / "model.safetensors").touch()
    (folder / "metrics.json").write_text(json.dumps({"status": "finished"} | metrics))
    return folder


def kept(folders: list[Path]) -> list[str]:
    return [folder.name for folder in folders if (folder / "checkpoints" / "last.ckpt").exists()]


def test_the_best_by_validation_keep_theirs_and_who_is_not_finished(tmp_path: Path) -> None:
    folders = [
        run(tmp_path / "worst", val_acc=0.25, test_acc=0.9),
        run(tmp_path / "first", val_acc=0.5),
        run(tmp_path / "alike", val_acc=0.5),
        run(tmp_path / "untested", test_acc=0.75),
        run(tmp_path / "running", status="running", val_acc=0.1),
        run(tmp_path / "interrupted", status="interrupted", val_acc=0.1),
        run(tmp_path / "damaged", test_acc=None),
        run(tmp_path / "low", headline="loss", test_loss=0.125),
        run(tmp_path / "lower", headline="loss", test_loss=0.0625),
    ]
    (folders[4] / "metrics.json").write_text("{")
    keep_best(folders, 2)
    assert kept(folders) == ["first", "untested", "running", "interrupted", "low", "lower"]
    keep_best(folders, 1)
    assert kept(folders) == ["untested", "running", "interrupted", "lower"]
    assert all((folder / "model.safetensors").exists() for folder in folders)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)])
def test_the_order_in_which_jobs_end_makes_no_difference(order: tuple[int, ...], tmp_path: Path) -> None:
    done: list[Path] = []
    for number in order:
        done.append(run(tmp_path / str(number), test_acc=[0.5, 0.75, 0.25, 0.75][number]))
        keep_best(sorted(done), 2)
    assert kept(sorted(done)) == ["1", "3"]


def test_a_run_that_another_process_goes_on_with_or_without_weights_is_left(tmp_path: Path) -> None:
    folders = [run(tmp_path / "held", test_acc=0.5), run(tmp_path / "bare", test_acc=0.5)]
    (folders[1] / "model.safetensors").unlink()
    with claimed(folders[0]):
        keep_best(folders, 0)
    assert kept(folders) == ["held", "bare"]


def test_runs_of_other_sweeps_are_not_a_sweeps_own(tmp_path: Path) -> None:
    for number, place in enumerate(("0", "1", "inner/0")):
        leave(tmp_path / place, number % 2, {}, status="finished")
    run(tmp_path / "single", test_acc=0.1)
    (tmp_path / "inner" / "sweep.json").write_text("{}")
    (tmp_path / "sweep.json").write_text("{}")
    assert job_folders(tmp_path) == {0: tmp_path / "0", 1: tmp_path / "1"}
    assert job_folders(tmp_path / "inner") == {0: tmp_path / "inner" / "0"}


def test_a_sweep_keeps_so_many(tmp_path: Path, runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    before = runner.train

    def train(config: dict[str, Any], folder: Path) -> float:
        (folder / "checkpoints").mkdir(exist_ok=True)
        (folder / "checkpoints" / "last.ckpt").touch()
        (folder / "model.safetensors").touch()
        score = before(config, folder)
        (folder / "metrics.json").write_text(json.dumps({"status": "finished", "test_acc": config["seed"] / 10}))
        return score

    monkeypatch.setattr(runner, "train", train)
    line = ["train", "-m", "dataset=digits", "seed=1,2", "checkpoint.keep=1", f"run_dir={tmp_path / 's'}"]
    assert cli.main(line) == 0
    assert kept([tmp_path / "s" / "0", tmp_path / "s" / "1"]) == ["1"]


def test_what_is_left_of_a_run_is_of_use(finished: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    keep_best([folder], 0)
    assert not (folder / "checkpoints").exists()
    load(folder)
    assert cli.main(["test", f"ckpt={folder}"]) == 2
    config: dict[str, Any] = {"resume": "auto"}
    assert find_start(config, folder).path is None
    assert "its checkpoints have been removed; trained anew" in caplog.text
