"""How a run ended, and what it says of itself."""

import errno
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from high_order_nets.errors import Diverged, Interrupted, UserError
from high_order_nets.run import record
from high_order_nets.run.record import circumstances, figures_of, recorded
from high_order_nets.training.run import device_of, sizes_of

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
    assert re.fullmatch(r"cpu \(\w+\)", device_of(trainer))
    trainer.strategy.root_device = torch.device("cuda", 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"Card {device.index}")
    assert device_of(trainer) == "Card 1"


def test_what_made_the_figures() -> None:
    found = circumstances(RECORD | {"n": 3})
    assert {key: found[key] for key in RECORD} == RECORD
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", found["date"])
    names = {"python", "high-order-nets", "torch", "torchvision", "pytorch-lightning"}
    assert set(found["versions"]) == names
    assert found["versions"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert found["threads"] == torch.get_num_threads()
    assert found["cpus"] >= 1
