"""A run's folder: what is read back from it, and who may go on with it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from high_order_nets.errors import UserError
from high_order_nets.run.claims import check_same, claimed, finished
from high_order_nets.run.folder import Run, is_finished, jobs_of, planned, read
from high_order_nets.settings import deciding
from tests.run.folders import CONFIG, write


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    lines = ["n=3", "+layer_type.alpha=1", "~Xx", "dataset.root=/a=b"]
    write(tmp_path / "0", {"n": 3}, {"status": "finished", "test_loss": 1e-05}, {"overrides": lines, "num": 0})
    (run,) = read([tmp_path])
    assert run == Run(
        tmp_path / "0",
        {"n": 3},
        ("n", "layer_type.alpha", "Xx", "dataset.root"),
        {"status": "finished", "test_loss": 1e-05},  # a word to YAML, in JSON a number
    )
    assert run.status == "finished"


def test_what_a_run_has_not_left_is_empty(tmp_path: Path) -> None:
    write(tmp_path / "a", {"n": 3})
    write(tmp_path / "b", metrics={"test_acc": 1})
    write(tmp_path / "c", [1], [1, 2])
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "metrics.json").write_text('{"status": ')
    (tmp_path / "d" / "config.yaml").write_text("a: [")
    runs = read([tmp_path])
    assert [(run.config, run.keys, run.metrics) for run in runs] == [
        ({"n": 3}, None, {"status": "unfinished"}),
        *[({}, None, {"status": "unfinished"})] * 3,
    ]
    assert Run(tmp_path) == Run(tmp_path, {}, (), {"status": "missing"})


def test_jobs_are_sorted_by_number_and_read_once(tmp_path: Path) -> None:
    for name in ("10", "9", "x", "0"):
        write(tmp_path / "sweep" / name, {}, {"status": "finished"})
    runs = read([tmp_path, tmp_path / "sweep", tmp_path / "sweep" / "9"])
    assert [run.folder.name for run in runs] == ["x", "0", "9", "10"]
    write(tmp_path / "another" / "99", {})
    assert [run.folder.name for run in read([tmp_path])][:2] == ["99", "x"]  # one sweep after the other


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    message = f"{tmp_path / 'gone'}: no such folder; expected one of runs or sweeps, such as outputs"
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        read([tmp_path / "gone"])


def test_planned_jobs_without_a_folder_are_missing(tmp_path: Path) -> None:
    jobs = [{"n": n} for n in (2, 3, 4)]
    (tmp_path / "sweep.json").write_text(json.dumps({"jobs": jobs}))
    write(tmp_path / "one", {"n": 3}, {"status": "failed"}, {"overrides": ["n=3"], "num": 1})
    write(tmp_path / "by hand", {"n": 9})
    assert planned(tmp_path) == jobs
    assert planned(tmp_path / "one") == []
    assert {number: run.folder.name for number, run in jobs_of(tmp_path).items()} == {1: "one"}
    found = {run.folder.name: (run.status, run.config, run.keys) for run in read([tmp_path])}
    assert found == {
        "0": ("missing", {"n": 2}, ()),
        "2": ("missing", {"n": 4}, ()),
        "one": ("failed", {"n": 3}, ("n",)),
        "by hand": ("unfinished", {"n": 9}, None),
    }


@pytest.mark.parametrize("status", ["finished", "failed", "running"])
def test_only_finished_is_finished(status: str, tmp_path: Path) -> None:
    assert not is_finished(tmp_path)
    assert is_finished(write(tmp_path, metrics={"status": status})) == (status == "finished")


def test_settings_by_dotted_names_and_chosen_files() -> None:
    run = Run(Path(), {"n": 3, "optimizer": {"betas": [1, 2]}, "choices": {"optimizer": "lion", "norm": None}})
    keys = ("n", "optimizer", "optimizer.betas", "norm", "n.x", "optimizer.x.y", "gone")
    assert [run.setting(key) for key in keys] == [3, "lion", [1, 2], None, None, None, None]
    assert Run(Path(), {"n": 3}).setting("n") == 3


def test_what_decides_over_a_result() -> None:
    config = {"n": 3, "seed": 1, "command": "x", "root": "r", "dataset": {"root": "r", "name": "digits"}, "plots": {}}
    assert deciding(config) == {"n": 3, "seed": 1, "dataset": {"name": "digits"}}
    assert deciding({"dataset": "digits"}) == {"dataset": "digits"}


def test_a_claim_sweeps_and_keeps_others_out(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "run"
    (folder / "checkpoints").mkdir(parents=True)
    for part in (folder / "x.part", folder / "checkpoints" / "y.part"):
        part.touch()
    with claimed(folder):
        assert not list(folder.rglob("*.part"))
        message = f"run_dir={folder}: another process is training there; wait for it or stop it"
        with pytest.raises(UserError, match=f"^{re.escape(message)}$"), claimed(folder):
            pass
    with claimed(folder), claimed(tmp_path / "b" / "new"):
        pass


@pytest.mark.parametrize(
    ("metrics", "asked", "ends"),
    [
        ({"status": "finished", "epochs": 4, "test_loss": 1e-05}, 4, True),
        ({"status": "finished", "epochs": 4}, 3, True),
        ({"status": "finished", "epochs": 4}, 5, False),  # more epochs: goes on
        ({"status": "finished", "epochs": 2}, 9, True),  # stopped early
        ({"status": "interrupted", "epochs": 4}, 4, False),
        ({}, 4, False),
    ],
)
def test_what_has_finished(metrics: dict[str, Any], asked: int, ends: bool, tmp_path: Path) -> None:
    write(tmp_path, CONFIG, metrics)
    assert finished(CONFIG | {"max_epochs": asked}, tmp_path) == (metrics if ends else None)


def test_a_run_that_failed_before_it_saved_may_be_another(tmp_path: Path) -> None:
    assert finished(CONFIG, tmp_path) is None
    write(tmp_path, CONFIG, {"status": "failed"})
    assert finished(CONFIG | {"n": 5}, tmp_path) is None
    write(tmp_path / "checkpoints")
    (tmp_path / "checkpoints" / "previous.ckpt").touch()
    with pytest.raises(UserError, match=rf"^run_dir={tmp_path}: .*n=3 there and 5 here"):
        finished(CONFIG | {"n": 5}, tmp_path)


@pytest.mark.parametrize("left", ["metrics", "last.ckpt", "previous.ckpt", "best.ckpt", None])
def test_resume_never_refuses_what_is_there(left: str | None, tmp_path: Path) -> None:
    write(tmp_path, CONFIG, {"status": "finished" if left == "metrics" else "failed", "epochs": 4})
    write(tmp_path / "checkpoints")
    if left not in ("metrics", None):
        (tmp_path / "checkpoints" / str(left)).touch()
    message = f"run_dir={tmp_path}: holds a run already and resume=never; name another folder or remove it"
    if left is None:
        assert finished(CONFIG | {"resume": "never"}, tmp_path) is None
        return
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        finished(CONFIG | {"resume": "never"}, tmp_path)


@pytest.mark.parametrize("content", ["a: [", "- 1", "3"])
def test_a_folder_of_something_else_is_told(content: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(content)
    message = f"{tmp_path / 'config.yaml'}: written by no run of high-order-nets; name another run_dir"
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        finished(CONFIG, tmp_path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"n": 5}, "n=3 there and 5 here"),
        ({"n": 5, "a": {"b": 1}}, "n=3 there and 5 here"),  # a flat knob before what follows from it
        ({"a": {"b": 1}}, "a.b=null there and 1 here"),
        ({"scheduler": {"name": "cosine"}, "zeta": True}, "zeta=null there and true here"),
        ({"command": "x", "max_epochs": 9, "plots": {"enabled": False}, "dataset": {"root": "/"}}, None),
        ({"choices": {"norm": "batch"}, "checkpoint": {"every_n_steps": 1}, "num_workers": 2}, None),
        ({"max_epochs_x": 1}, "max_epochs_x=null there and 1 here"),
    ],
)
def test_another_config_is_refused_by_its_first_knob(changes: dict[str, Any], said: str | None) -> None:
    if said is None:
        check_same(CONFIG, CONFIG | changes, "here")
        return
    message = f"here: holds a run of another config, {said}; name another run_dir"
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        check_same(CONFIG, CONFIG | changes, "here")


def test_of_a_sweep_that_left_its_record_alone_every_job_is_missing(tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_text(json.dumps({"jobs": [{"n": 2}, {"n": 3}]}))
    assert [(run.folder.name, run.status) for run in read([tmp_path])] == [("0", "missing"), ("1", "missing")]
