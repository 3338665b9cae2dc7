"""Training as one of several processes that torchrun or SLURM has started."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from pytorch_lightning.strategies import DDPStrategy, ModelParallelStrategy
from pytorch_lightning.utilities import rank_zero_only
from safetensors.torch import load_file

from high_order_nets import cli
from high_order_nets.errors import UserError
from high_order_nets.processes import Started
from high_order_nets.training import launched, run, trainer
from tests.training.crashes import assert_equal, results
from tests.training.nodes import Nodes

TORCHRUN = {"TORCHELASTIC_RUN_ID": "none", "RANK": "1", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "1", "LOCAL_RANK": "0"}
STEP = {"SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_NUM_NODES": "2", "SLURM_PROCID": "1", "SLURM_NTASKS": "2"}
STEP |= {"SLURM_NTASKS_PER_NODE": "1", "SLURM_JOB_ID": "1234", "SLURM_LOCALID": "0", "SLURM_NODEID": "1"}
PLACE = ("trainer=ddp", "trainer.accelerator=cpu")
FAST = (
    "model_name=simple",
    "dataset=digits",
    "train_fraction=0.3",
    "batch_size=64",
    "max_epochs=2",
    "val_fraction=0.2",
)


@pytest.fixture(autouse=True)
def rank(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the number of this process as it is, wherever a trainer takes it for another one."""
    shared: Any = rank_zero_only
    monkeypatch.setattr(shared, "rank", shared.rank)


@pytest.fixture
def torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is the second of two."""
    start(monkeypatch, TORCHRUN)


def start(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for key, value in variables.items():
        monkeypatch.setenv(key, value)


@pytest.mark.parametrize(
    ("variables", "words", "message"),
    [
        ({}, "trainer.num_nodes=2", "trainer.num_nodes=2: a program starts no other on another machine; start it on"),
        (TORCHRUN, "trainer.num_nodes=3", "num_nodes=3: torchrun has started 2 processes on 2 machines; take .*=2 or"),
        (STEP, "trainer.devices=4", "devices=4: SLURM has started 2 processes on 2 machines; take trainer.devices=1"),
        (TORCHRUN | {"LOCAL_WORLD_SIZE": "2"}, "trainer=cpu", "devices=1: torchrun has started 2 processes on 1 "),
        (STEP | {"SLURM_STEP_NUM_TASKS": "3"}, "", "SLURM has started 3 processes on 2 machines: expected as many on"),
        (TORCHRUN, "trainer=cpu layer_by_layer=true", "layer_by_layer=true: frozen stages do not go with several"),
        (TORCHRUN, "trainer.num_nodes=2 batch_size=63", "batch_size=63: is that of a step, and 2 processes cannot"),
    ],
)
def test_another_place_than_was_started_is_refused(
    variables: dict[str, str], words: str, message: str, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings(*FAST, *PLACE, *words.split())
    start(monkeypatch, variables)
    with pytest.raises(UserError, match=message):
        run.train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists() or "batch_size" in words


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("n=2",), "run_dir: torchrun has started 2 processes, which share a folder; name it, such as run_dir=outputs"),
        (("-m", "n=2,3", "run_dir=x"), "-m: a sweep or search starts its runs itself, and torchrun has started 2"),
        (("search=recipe", "val_fraction=0.1"), "-m: a sweep or search starts its runs itself"),
    ],
)
def test_what_several_processes_cannot_start_is_refused(
    words: tuple[str, ...], message: str, torchrun: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["train", *words]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("variables", "kind", "rank"),
    [
        (TORCHRUN, TorchElasticEnvironment, 1),
        (STEP, SLURMEnvironment, 1),
        ({"SLURM_NTASKS": "8"}, LightningEnvironment, 0),
    ],
)
def test_the_number_of_a_process_is_read_where_it_is(
    variables: dict[str, str], kind: type, rank: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(monkeypatch, variables)
    found = launched.environment()
    assert type(found) is kind
    assert found.global_rank() == rank
    assert not getattr(found, "auto_requeue", False)  # a run saves itself when it is stopped


@pytest.mark.parametrize("strategy", ["auto", "ddp_spawn", "ddp"])
def test_nothing_is_spawned(strategy: str, settings: Any, torchrun: None) -> None:
    place = trainer._place(settings(*PLACE, f"trainer.strategy={strategy}"))
    assert (place["strategy"], place["devices"], place["num_nodes"]) == ("ddp", 1, 2)
    made = trainer._trainer(settings(*FAST), **place, logger=False, plugins=[launched.environment()])
    assert isinstance(made.strategy, DDPStrategy)
    assert made.strategy.cluster_environment.creates_processes_externally
    assert trainer.processes(made) == 2


def test_a_network_is_shared_out_in_whole_checkpoints() -> None:
    place = launched.among(Started("torchrun", 0, 8, 2), "fsdp")
    strategy = place["strategy"]
    assert isinstance(strategy, ModelParallelStrategy)
    assert (strategy._data_parallel_size, strategy._tensor_parallel_size) == (8, 1)
    assert not strategy._save_distributed_checkpoint
    assert (place["devices"], place["num_nodes"]) == (4, 2)


@pytest.mark.parametrize("words", [(), ("trainer.accelerator=cpu",)])
def test_fsdp_on_a_cpu_is_refused(words: tuple[str, ...], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    if torch.cuda.is_available() and not words:
        pytest.skip("has a GPU")
    assert cli.main(["train", "trainer=fsdp", *words, f"run_dir={tmp_path / 'run'}"]) == 2
    assert "trainer=fsdp: shares a network out among GPUs, and there is none here" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_fsdp_is_started_by_others(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(UserError, match="trainer=fsdp: needs a process for each GPU, started by torchrun or srun"):
        run.train(settings("trainer=fsdp"), tmp_path / "run")


def test_the_others_follow_a_finished_run_and_write_nothing(
    finished: Path, torchrun: None, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    line = ["model_name=simple", "dataset=digits", "max_epochs=1", "train_fraction=0.3"]
    assert cli.main(["train", "trainer=cpu", *line, f"run_dir={finished}"]) == 0
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*")} == before
    assert capsys.readouterr().out == ""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_machines_train_what_one_process_does(tmp_path: Path) -> None:
    exact = ("norm=none", "augment=false", "precision=64-true", "learning_rate=0.01", "logger=[csv]")
    line = [*FAST, *exact, "plots.enabled=false"]
    assert cli.main(["train", "trainer=cpu", *line, f"run_dir={tmp_path / 'one'}"]) == 0
    nodes = Nodes([*PLACE, "trainer.num_nodes=2", *line, f"run_dir={tmp_path / 'two'}"])
    said = nodes.wait()
    assert nodes.statuses == [0, 0], said
    assert "test accuracy" in said[0]
    assert "test accuracy" not in said[1]
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    for name, weight in one.items():
        torch.testing.assert_close(two[name], weight, rtol=1e-9, atol=1e-12)
    figures = [json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("one", "two")]
    assert figures[0]["test_loss"] == pytest.approx(figures[1]["test_loss"], rel=1e-6)
    assert (figures[1]["devices"], figures[1]["batch_a_process"]) == (2, 32)
    logged = [(tmp_path / name / "metrics.csv").read_text().splitlines() for name in ("one", "two")]
    assert len(logged[0]) == len(logged[1])  # one process of the two logs


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_machines_of_which_one_is_stopped_go_on_to_the_same_bits(tmp_path: Path) -> None:
    folder, whole = tmp_path / "run", tmp_path / "whole"
    line = [*PLACE, *FAST, "val_fraction=0.2", "plots.enabled=false", "checkpoint.every_n_steps=1", "max_epochs=12"]
    line += [f"run_dir={folder}"]
    assert Nodes(line).wait()
    folder.rename(whole)
    stopped = Nodes(line)
    while not (folder / "checkpoints/last.ckpt").exists():
        assert not any(each.poll() for each in stopped.processes)
    stopped.processes[1].send_signal(signal.SIGTERM)
    said = stopped.wait()
    assert "stopped by SIGTERM" in said[0], said
    assert json.loads((folder / "metrics.json").read_text())["status"] == "interrupted"
    again = Nodes(line)
    said = again.wait()
    assert again.statuses == [0, 0], said
    assert "going on from" in said[0]
    assert_equal(results(whole), results(folder))
    assert len((folder / "history.csv").read_text().splitlines()) == 13


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_network_that_is_shared_out_trains_as_whole_ones_do_and_goes_on(tmp_path: Path) -> None:
    exact = ("norm=none", "augment=false", "optimizer=adamw", "trainer.accelerator=cpu", "logger=[csv]")
    program = (str(Path(__file__).with_name("shared_on_cpu.py")),)
    for name, place, epochs in (("ddp", "ddp", 2), ("fsdp", "fsdp", 1), ("fsdp", "fsdp", 2)):
        line = [*FAST, *exact, "scheduler=none", f"trainer={place}", f"max_epochs={epochs}"]
        nodes = Nodes([*line, f"run_dir={tmp_path / name}"], program)
        said = nodes.wait()
        assert nodes.statuses == [0, 0], said
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("ddp", "fsdp"))
    assert one.keys() == other.keys()
    for key, weight in one.items():
        torch.testing.assert_close(other[key], weight, rtol=1e-3, atol=1e-5)
    figures = [json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("ddp", "fsdp")]
    assert figures[0]["test_loss"] == pytest.approx(figures[1]["test_loss"], rel=1e-4)
    assert cli.main(["test", f"ckpt={tmp_path / 'fsdp'}"]) == 0  # by itself
