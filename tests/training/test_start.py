"""Where a run begins when its folder, or another one, holds a run already."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from high_order_nets import cli
from high_order_nets.errors import Interrupted, UserError
from high_order_nets.run.claims import claimed, finished
from high_order_nets.tasks import Classification
from high_order_nets.training import run, trainer
from high_order_nets.training.callbacks.lines import EpochLines
from tests.training.crashes import assert_equal, crash_at, results

Settings = Callable[..., dict[str, Any]]
FAST = ("model_name=simple", "dataset=digits", "train_fraction=0.3", "batch_size=64", "max_epochs=2")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that has finished."""
    folder = tmp_path_factory.mktemp("done") / "run"
    assert cli.main(["train", "trainer=cpu", *FAST, f"run_dir={folder}"]) == 0
    return folder


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and ".hydra" not in path.parts}


def test_a_finished_run_named_again_says_so(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    metrics = json.loads((done / "metrics.json").read_text()) | {"test_loss": 1e-05}  # without a point, as JSON may
    (done / "metrics.json").write_text(json.dumps(metrics))
    before = contents(done)
    assert cli.main(["train", "trainer=cpu", *FAST, "num_workers=1", f"run_dir={done}"]) == 0
    assert "finished already" in (done / "train.log").read_text()
    assert "test accuracy" in capsys.readouterr().out
    assert {path: text for path, text in contents(done).items() if path.name != "train.log"} == {
        path: text for path, text in before.items() if path.name != "train.log"
    }


def test_the_test_is_repeated_from_the_folder(done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["test", f"ckpt={done}"]) == 0
    assert "last.ckpt" in capsys.readouterr().out
    assert cli.main(["test", f"ckpt={tmp_path}"]) == 2
    assert cli.main(["test", f"ckpt={done / 'model.safetensors'}"]) == 2


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("n=5", "holds a run of another config, n=3 there and 5 here"),
        ("seed=2", "seed=1 there and 2 here"),
        ("dataset.augment.flip=true", "another config, dataset.augment.flip=false there and true here"),
        ("resume=never", "holds a run already and resume=never"),
    ],
)
def test_another_run_is_never_written_over(override: str, message: str, settings: Settings, done: Path) -> None:
    before = contents(done)
    with pytest.raises(UserError, match=message):
        run.train(settings(*FAST, override), done)
    assert contents(done) == before


@pytest.mark.parametrize("override", ["n=5", "resume=never"])
def test_a_refused_command_leaves_no_trace(override: str, done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in done.rglob("*") if path.is_file()}
    assert cli.main(["train", "trainer=cpu", *FAST, override, f"run_dir={done}"]) == 2
    assert f"run_dir={done}" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in done.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("name", ["config.yaml", "metrics.json"])
def test_a_folder_of_something_else_is_refused(name: str, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("n: 3\n")
    (tmp_path / name).write_text("[nothing of ours")
    with pytest.raises(UserError, match=f"{name}: written by no run"):
        finished(settings(*FAST), tmp_path)


def test_a_run_killed_before_its_first_checkpoint_is_of_its_config_too(settings: Settings, tmp_path: Path) -> None:
    with crash_at(Classification, "training_step", 1):
        run.train(settings(*FAST), tmp_path)
    (tmp_path / "metrics.json").write_text('{"status": "running"}')  # as kill -9 leaves it
    with pytest.raises(UserError, match="another config"):
        run.train(settings(*FAST, "n=4"), tmp_path)


@pytest.mark.slow
def test_a_finished_run_goes_on_to_more_epochs(settings: Settings, tmp_path: Path) -> None:
    constant = (*FAST, "scheduler=none", "val_fraction=0.2")
    run.train(settings(*constant, "max_epochs=3"), tmp_path / "alone")
    run.train(settings(*constant, "max_epochs=1"), tmp_path / "longer")
    run.train(settings(*constant, "max_epochs=3"), tmp_path / "longer")
    assert_equal(results(tmp_path / "alone"), results(tmp_path / "longer"))


@pytest.mark.slow
def test_early_stopped_is_finished_whatever_max_epochs(settings: Settings, tmp_path: Path) -> None:
    hopeless = ("learning_rate=1e-12", "scheduler=none", "norm=none", "val_fraction=0.3", "early_stopping=1")
    run.train(settings(*FAST, *hopeless, "max_epochs=9"), tmp_path)
    metrics = finished(settings(*FAST, *hopeless, "max_epochs=12"), tmp_path)
    assert metrics is not None
    assert metrics["epochs"] < 9


@pytest.mark.parametrize("named", [pytest.param("", marks=pytest.mark.slow), "checkpoints/last.ckpt"])
def test_resume_takes_a_folder_or_a_checkpoint(named: str, settings: Settings, done: Path, tmp_path: Path) -> None:
    run.train(settings(*FAST, f"resume={done / named}"), tmp_path)
    assert results(tmp_path)["weights"]["fc.bias"].equal(results(done)["weights"]["fc.bias"])
    with pytest.raises(UserError, match="another config"):
        run.train(settings(*FAST, "n=2", f"resume={done / named}"), tmp_path / "other")


def test_resume_from_what_is_not_there(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        run.train(settings(*FAST, f"resume={tmp_path / 'nothing.ckpt'}"), tmp_path / "run")
    with pytest.raises(UserError, match="no checkpoint there"):
        run.train(settings(*FAST, f"resume={tmp_path}"), tmp_path / "run")


def test_two_processes_do_not_train_in_one_folder(settings: Settings, tmp_path: Path) -> None:
    with claimed(tmp_path), pytest.raises(UserError, match="another process is training there"):
        run.train(settings(*FAST), tmp_path)


@pytest.mark.parametrize(
    ("signum", "status"), [(signal.SIGTERM, 143), pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow)]
)
def test_a_signal_saves_the_step_and_stops(
    signum: int, status: int, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.train(settings(*FAST), tmp_path / "alone")
    step = Classification.on_train_batch_end

    def send(task: Classification, *args: Any) -> None:
        step(task, *args)
        if task.global_step == 8:
            os.kill(os.getpid(), signum)

    handler = signal.getsignal(signum)
    with monkeypatch.context() as patch:
        patch.setattr(Classification, "on_train_batch_end", send)
        with pytest.raises(Interrupted) as stopped:
            run.train(settings(*FAST), tmp_path / "stopped")
    assert stopped.value.code == status
    assert signal.getsignal(signum) is handler
    assert json.loads((tmp_path / "stopped" / "metrics.json").read_text())["status"] == "interrupted"
    with crash_at(Classification, "training_step", 1):
        run.train(settings(*FAST), tmp_path / "stopped")
    run.train(settings(*FAST), tmp_path / "stopped")
    assert_equal(results(tmp_path / "alone"), results(tmp_path / "stopped"))


@pytest.mark.slow
@pytest.mark.parametrize("trainer", [(), ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")])
@pytest.mark.parametrize(("signum", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_command_with_its_status(
    trainer: tuple[str, ...], signum: int, status: int, tmp_path: Path
) -> None:
    argv = ["train", *FAST, *(trainer or ("trainer=cpu",)), "max_epochs=500", f"run_dir={tmp_path}"]
    command = [sys.executable, "-m", "high_order_nets", *argv, "checkpoint.every_n_steps=2"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        while not (tmp_path / "checkpoints" / "last.ckpt").exists():
            assert process.poll() is None
        process.send_signal(signum)
        said = process.communicate()[1]
    assert process.returncode == status
    assert said.splitlines()[-1].startswith(f"high-order-nets: stopped by {signal.Signals(signum).name}")


def test_more_epochs_lay_the_schedule_out_anew_and_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []

    def note(self: EpochLines, trainer: Any, *_: Any) -> None:
        rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    monkeypatch.setattr(EpochLines, "on_train_batch_start", note)
    line = ["train", "trainer=cpu", *FAST[:-1], "plots.enabled=false", f"run_dir={tmp_path}"]
    assert cli.main([*line, "max_epochs=1"]) == 0
    steps = len(rates)
    assert cli.main([*line, "max_epochs=2"]) == 0
    assert rates[0] < 0.1 * max(rates[:steps])
    assert rates[steps] > rates[steps + 1] > 0.5 * max(rates[:steps])  # of the middle of a schedule, not of an end
    said = (tmp_path / "train.log").read_text()
    assert "max_epochs=2, before 1: scheduler=one_cycle is laid out anew" in said


def test_half_precision_on_a_cpu_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["train", "trainer=cpu", *FAST, "precision=16-mixed", f"run_dir={tmp_path / 'run'}"]
    assert cli.main(argv) == 2
    assert "precision=16-mixed: a CPU computes it in bfloat16; take bf16-mixed" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_batch_that_processes_cannot_share_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")
    assert cli.main(["train", *place, *FAST, "batch_size=63", f"run_dir={tmp_path / 'run'}"]) == 2
    assert "batch_size=63: is that of a step, and 2 processes cannot share it" in capsys.readouterr().err


class Signalled(EpochLines):
    """Sends this process a signal in the second validation batch of an epoch."""

    def on_validation_batch_end(self, trainer, pl_module, outputs, batch, batch_idx, dataloader_idx=0) -> None:
        batches.append((trainer.current_epoch, batch_idx))
        if (trainer.current_epoch, batch_idx) == (1, 1):
            os.kill(os.getpid(), signal.SIGTERM)


batches: list[tuple[int, int]] = []


def test_a_signal_in_a_validation_stops_it_and_the_run_goes_on_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = [
        "train",
        "trainer=cpu",
        *FAST[:2],
        "val_fraction=0.5",
        "batch_size=64",
        "max_epochs=3",
        "plots.enabled=false",
    ]
    assert cli.main([*line, f"run_dir={tmp_path / 'whole'}"]) == 0
    with monkeypatch.context() as patch:
        patch.setattr(trainer, "EpochLines", Signalled)
        assert cli.main([*line, f"run_dir={tmp_path / 'stopped'}"]) == 128 + signal.SIGTERM
    assert batches[-1] == (1, 1)
    assert json.loads((tmp_path / "stopped" / "metrics.json").read_text())["status"] == "interrupted"
    assert cli.main([*line, f"run_dir={tmp_path / 'stopped'}"]) == 0
    histories = [(tmp_path / name / "history.csv").read_text() for name in ("stopped", "whole")]
    assert histories[0] == histories[1]
    weights = [
        torch.load(tmp_path / name / "checkpoints/last.ckpt", weights_only=True) for name in ("stopped", "whole")
    ]
    assert_equal(*(checkpoint["state_dict"] for checkpoint in weights))
