"""A run's folder: what is read back from it, who may go on with it and where, and how it ended."""

import errno
import json
import pickle
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml
from safetensors import safe_open
from torch import nn

from high_order_nets.errors import Diverged, Interrupted, UserError
from high_order_nets.models.resnet import resnet10_small
from high_order_nets.models.stages import Staged
from high_order_nets.training import checkpoints, record, resume
from high_order_nets.training.checkpoints import WholeFiles, load_state, read_checkpoint, save_weights
from high_order_nets.training.claims import check_same, claimed, finished
from high_order_nets.training.record import circumstances, figures_of, recorded, sizes_of
from high_order_nets.training.resume import Start, find_start
from high_order_nets.training.runs import Run, deciding, is_finished, jobs_of, planned, read

CONFIG: dict[str, Any] = {"n": 3, "max_epochs": 4, "resume": "auto", "scheduler": {"name": "none"}, "choices": {}}


def write(folder: Path, config: Any = None, metrics: Any = None, hydra: dict[str, Any] | None = None) -> Path:
    """Write what a run leaves."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (("config.yaml", config), ("metrics.json", metrics)):
        if content is not None:
            dump = yaml.safe_dump if name == "config.yaml" else json.dumps
            (folder / name).write_text(dump(content), encoding="utf-8")
    if hydra is not None:
        (folder / ".hydra").mkdir()
        (folder / ".hydra" / "config.yaml").write_text("{}")
        (folder / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(hydra["overrides"]))
        (folder / ".hydra" / "hydra.yaml").write_text(yaml.safe_dump({"hydra": {"job": {"num": hydra["num"]}}}))
    return folder


# --- reading runs back


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


# --- whose a folder is


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


# --- where it begins


def checkpoint(path: Path, step: int, **content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {"state_dict": {}, "config": CONFIG, "progress": {}, "global_step": step, "epoch": step // 5}
    torch.save(whole | {"figures": {"val_acc": step / 100}} | content, path)
    return path


def test_a_new_run_begins_with_its_first_step(tmp_path: Path) -> None:
    for wanted in ("auto", "never"):
        assert find_start(CONFIG | {"resume": wanted}, tmp_path) == Start(None, 0, {})


def test_a_run_goes_on_from_its_newest_checkpoint(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    own = tmp_path / "checkpoints"
    last, best = checkpoint(own / "last.ckpt", 20), checkpoint(own / "best.ckpt", 10)
    elsewhere = checkpoint(tmp_path / "other.ckpt", 30)
    with caplog.at_level("INFO"):
        start = find_start(CONFIG | {"resume": str(elsewhere)}, tmp_path)
    assert start == Start(last, 20, {"val_acc": 0.2})
    assert caplog.messages == [f"going on from {last}: 4 epochs, 20 steps done"]
    assert best.exists()


@pytest.mark.parametrize("name", ["last.ckpt", "checkpoints/last.ckpt", "run/checkpoints/last.ckpt"])
def test_another_run_is_gone_on_with_by_folder_or_file(name: str, tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "there" / name, 30)
    newer = checkpoint(tmp_path / "run" / "checkpoints" / "x" / "best.ckpt", 40)
    named = path if name.startswith("run") else tmp_path / "there"
    assert find_start(CONFIG | {"resume": str(named)}, tmp_path / "run").path == path
    assert newer.exists()


def test_a_best_that_is_not_reached_yet_goes(tmp_path: Path) -> None:
    own = tmp_path / "checkpoints"
    for step, stays in ((20, True), (21, False)):
        checkpoint(own / "last.ckpt", 20)
        best = checkpoint(own / "best.ckpt", step)
        resume._drop_newer_best(own, 20)
        assert best.exists() == stays


def test_unreadable_checkpoints_are_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    own = tmp_path / "checkpoints"
    good = checkpoint(own / "best.ckpt", 10)  # there is no previous one
    for expected in ("last.ckpt.corrupt", "last.ckpt.corrupt_", "last.ckpt.corrupt__"):
        (own / "last.ckpt").write_text("not a checkpoint")
        assert find_start(CONFIG, tmp_path).path == good
        assert (own / expected).read_text() == "not a checkpoint"
        assert (
            f"ckpt={own / 'last.ckpt'}: not a readable checkpoint of plain data; set aside as {expected}" in caplog.text
        )
    assert not (own / "last.ckpt").exists()


def test_nothing_to_go_on_with_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name, message in (("empty", "no checkpoint there that can be read"), ("gone", "no such file")):
        with pytest.raises(UserError, match=f"{name}: {message}$"):
            find_start(CONFIG | {"resume": str(tmp_path / name)}, tmp_path / "run")


def test_a_checkpoint_of_another_config_or_age_is_refused(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "a.ckpt", 5, config=CONFIG | {"n": 9})
    with pytest.raises(UserError, match=rf"^resume={path}: .*n=9 there and 3 here; a run goes on under the settings"):
        find_start(CONFIG | {"resume": str(path)}, tmp_path / "run")
    own = checkpoint(tmp_path / "own" / "checkpoints" / "last.ckpt", 5, config=CONFIG | {"n": 9})
    with pytest.raises(UserError, match=rf"^run_dir={tmp_path / 'own'}: .*n=9 there and 3 here; name another run_dir$"):
        find_start(CONFIG, own.parent.parent)
    torch.save({"state_dict": {}, "config": CONFIG}, path)
    with pytest.raises(UserError, match="written by an earlier version, which could not be continued; name another"):
        find_start(CONFIG | {"resume": str(path)}, tmp_path / "run")


@pytest.mark.parametrize(
    ("name", "epochs", "said"),
    [
        *((name, 6, True) for name in ("cosine", "one_cycle", "multistep")),
        *(("cosine", 4, False), ("none", 6, False), ("plateau", 6, False)),
    ],
)
def test_a_schedule_laid_out_anew_is_told(
    name: str, epochs: int, said: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = CONFIG | {"scheduler": {"name": name}}
    checkpoint(tmp_path / "checkpoints" / "last.ckpt", 5, config=config)
    with caplog.at_level("INFO"):
        find_start(config | {"max_epochs": epochs}, tmp_path)
    line = f"max_epochs=6, before 4: scheduler={name} is laid out anew over all of them"
    assert (line in caplog.messages) == said


# --- checkpoints


def test_checkpoints_are_written_whole_and_read_on_the_cpu(tmp_path: Path) -> None:
    files, path = WholeFiles(), tmp_path / "new" / "checkpoints" / "last.ckpt"
    for step in (1, 2):
        files.save_checkpoint({"state_dict": {}, "config": {}, "step": step}, path)
    assert sorted(file.name for file in path.parent.iterdir()) == ["last.ckpt", "previous.ckpt"]
    assert files.load_checkpoint(path)["step"] == 2
    assert read_checkpoint(path.with_name("previous.ckpt"))["step"] == 1
    for step in (3, 4):  # the best alone: what was kept is still the last but one
        files.save_checkpoint({"state_dict": {}, "config": {}, "step": step}, path.with_name("best.ckpt"))
    assert read_checkpoint(path.with_name("previous.ckpt"))["step"] == 1
    files.remove_checkpoint(path)
    files.remove_checkpoint(path)
    assert not path.exists()


class Hostile:
    """Runs code where pickle reads it."""

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


def test_a_checkpoint_runs_no_code(tmp_path: Path) -> None:
    hostile, path = Hostile(), tmp_path / "last.ckpt"
    hostile.mark = tmp_path / "it ran"
    torch.save({"state_dict": {}, "config": {}, "x": hostile}, path)
    with pytest.raises(UserError, match=r"not a readable checkpoint of plain data$"):
        read_checkpoint(path)
    with pytest.raises(pickle.UnpicklingError):
        WholeFiles().load_checkpoint(path)
    assert not hostile.mark.exists()


def test_a_checkpoint_of_any_device_is_read_to_the_cpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "x.ckpt", 1)
    asked = []
    load = torch.load
    monkeypatch.setattr(checkpoints.torch, "load", lambda *args, **how: (asked.append(how), load(*args, **how))[1])
    read_checkpoint(path)
    WholeFiles().load_checkpoint(path)
    assert asked == [{"map_location": "cpu", "weights_only": True}] * 2


@pytest.mark.parametrize("content", [[1], {"state_dict": {}}, {"config": {}}])
def test_other_files_of_torch_are_no_checkpoints(content: Any, tmp_path: Path) -> None:
    path = tmp_path / "x.ckpt"
    torch.save(content, path)
    message = f"ckpt={path}: not a checkpoint of high-order-nets (it has no state_dict and config)"
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        read_checkpoint(path)


def test_a_write_that_fails_on_the_disk_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")

    def save(*_: Any, caused: bool) -> None:
        try:
            if caused:
                raise full
        finally:
            raise RuntimeError("unexpected pos")

    for caused, kind in ((True, OSError), (False, RuntimeError)):
        monkeypatch.setattr(checkpoints.torch, "save", lambda *_, caused=caused: save(caused=caused))
        with pytest.raises(kind):
            WholeFiles().save_checkpoint({}, tmp_path / "x.ckpt")


def test_weights_of_another_model_are_named(tmp_path: Path) -> None:
    for state, reason in (
        ({"weight": torch.zeros(1, 1)}, r"Missing key\(s\) in state_dict: \"bias\"\."),
        ({"weight": torch.zeros(2, 1), "bias": torch.zeros(1)}, r"size mismatch for weight: .*"),
        (3, "Expected state_dict to be dict-like, got .*"),
    ):
        with pytest.raises(UserError, match=f"^ckpt=x: of another model than its config says: {reason}$"):
            load_state(nn.Linear(1, 1), state, Path("x"))  # type: ignore[arg-type]
    net = nn.Linear(1, 1)
    load_state(net, {"weight": torch.full((1, 1), 2.0), "bias": torch.full((1,), 3.0)}, Path("x"))
    assert float(net(torch.ones(1)).detach()) == 5.0


@pytest.mark.parametrize("stage", [None, 0, 4])
def test_the_weights_of_what_was_tested_are_written(stage: int | None, tmp_path: Path) -> None:
    net: Any = resnet10_small(num_classes=2)
    if stage is not None:
        net = Staged(net, torch.zeros(1, 3, 8, 8))
        net.select(stage)
    data = SimpleNamespace(classes=("a", "b"), normalisation={"offset": [1.0]})
    experiment: Any = SimpleNamespace(task=SimpleNamespace(net=net), data=data)
    save_weights(tmp_path / "m.safetensors", experiment, {"n": 3}, {"test_acc": 0.5})
    with safe_open(tmp_path / "m.safetensors", framework="pt") as file:
        metadata = {key: json.loads(value) for key, value in file.metadata().items()}
        keys = set(file.keys())
        weight = file.get_tensor("conv1.weight" if stage != 0 else "net.conv1.weight")
    assert metadata == {
        "config": {"n": 3},
        "classes": ["a", "b"],
        "normalisation": {"offset": [1.0]},
        "metrics": {"test_acc": 0.5},
    }
    assert any(key.startswith("read_outs.") for key in keys) == (stage == 0)
    assert weight.equal(getattr(net, "net", net).conv1.weight)


# --- how it ended


RECORD = {"command": "train n=3", "seed": 7, "choices": {"norm": "batch"}}


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (None, "finished", None),
        (ValueError("x"), "failed", "ValueError: x"),
        (KeyboardInterrupt(), "interrupted", "KeyboardInterrupt: "),
        (Interrupted(15), "interrupted", "Interrupted: stopped by SIGTERM"),
        (Diverged("nan at step 3", {"layer": "a"}), "diverged", "nan at step 3"),
        (OSError(errno.EACCES, "Permission denied"), "failed", "PermissionError: [Errno 13] Permission denied"),
    ],
)
def test_an_end_is_recorded(error: BaseException | None, status: str, said: str | None, tmp_path: Path) -> None:
    def block() -> None:
        with recorded(RECORD, tmp_path) as found:
            assert json.loads((tmp_path / "metrics.json").read_text())["status"] == "running"
            found["test_acc"] = 0.5
            if error is not None:
                raise error

    if error is None:
        block()
    else:
        with pytest.raises(type(error)) as raised:
            block()
        assert raised.value is error
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert (metrics["status"], metrics["test_acc"], metrics["command"]) == (status, 0.5, "train n=3")
    assert (metrics.get("error") or "").startswith(said or "")
    assert ("error" in metrics) == (error is not None)
    assert metrics.get("divergence") == ({"layer": "a"} if status == "diverged" else None)


def test_the_time_of_a_run_is_from_its_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([100.0, 103.5])
    monkeypatch.setattr(record.time, "perf_counter", lambda: next(times))
    with recorded(RECORD, tmp_path):
        pass
    assert json.loads((tmp_path / "metrics.json").read_text())["total_seconds"] == 3.5


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_one_line(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = OSError(number, "no room")
    with pytest.raises(UserError) as raised, recorded(RECORD, tmp_path):
        raise full
    expected = f"run_dir={tmp_path}: no room; the last good checkpoint is still there; make room and run it again"
    assert str(raised.value) == expected
    assert raised.value.__cause__ is full
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert (metrics["status"], metrics["error"]) == ("failed", f"UserError: {expected}")


def test_a_record_that_cannot_be_written_does_not_hide_the_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(error: Exception | None) -> None:
        monkeypatch.undo()
        with recorded(RECORD, tmp_path):
            monkeypatch.setattr(record, "write_json", lambda *_: (_ for _ in ()).throw(OSError(errno.EIO, "gone")))
            if error:
                raise error

    with pytest.raises(ValueError, match="the reason"):
        run(ValueError("the reason"))
    with pytest.raises(OSError, match="gone"):
        run(None)


def test_figures_have_one_name_each() -> None:
    logged = {"test_acc": torch.tensor(0.5), "train_loss": 9.0, "train_loss_epoch": torch.tensor(2.0), "epochs": 3.0}
    logged |= {"val_acc5": 1, "seconds": 2.5, "train_loss_step": 8.0, "lr-SGD": 0.1}
    found = figures_of(logged)
    assert found == {"test_acc": 0.5, "train_loss": 2.0, "epochs": 3, "val_acc5": 1.0, "seconds": 2.5}
    assert (type(found["epochs"]), type(found["val_acc5"])) == (int, float)
    assert figures_of({"images_per_second": 2, "seconds_per_epoch": 1, "train_loss": 4}) == {
        "images_per_second": 2.0,
        "seconds_per_epoch": 1.0,
        "train_loss": 4.0,
    }


def test_which_weights_were_tested() -> None:
    figures = {"val_acc": torch.tensor(0.5), "train_acc": 0.25, "val_loss": 2}
    found = record.tested_of({"figures": figures, "progress": {"epoch": 3}}, "best")
    assert found == {"tested": "best", "tested_epoch": 3, "val_acc": 0.5, "val_loss": 2.0}
    for older in ({}, {"figures": None, "progress": {"epoch": None}}, {"progress": {}}):
        assert record.tested_of(older, "last") == {"tested": "last"}


def test_sizes_and_device_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    report = SimpleNamespace(parameters_after=10, parameters_reduced=8)
    experiment: Any = SimpleNamespace(report=report, macs=99)
    assert sizes_of(experiment) == {"parameters": 10, "parameters_reduced": 8, "macs": 99}
    trainer: Any = SimpleNamespace(strategy=SimpleNamespace(root_device=torch.device("cpu")))
    assert re.fullmatch(r"cpu \(\w+\)", record.device_of(trainer))
    trainer.strategy.root_device = torch.device("cuda", 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"Card {device.index}")
    assert record.device_of(trainer) == "Card 1"


def test_what_made_the_figures() -> None:
    found = circumstances(RECORD | {"n": 3})
    assert {key: found[key] for key in RECORD} == RECORD
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", found["date"])
    names = {"python", "high-order-nets", "torch", "torchvision", "pytorch-lightning"}
    assert set(found["versions"]) == names
    assert found["versions"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert found["threads"] == torch.get_num_threads()
    assert found["cpus"] >= 1
