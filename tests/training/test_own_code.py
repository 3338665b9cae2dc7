"""Runs of one's own code: they go on to the same bits, and whoever opens them allows it again."""

import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from high_order_nets import cli, load, train
from high_order_nets.allow import Allowance
from high_order_nets.errors import UserError
from high_order_nets.tasks import Classification
from high_order_nets.training import run
from high_order_nets.training.checkpoint_io import WholeFiles
from tests.config.own_code import SOURCE
from tests.experiments import composed
from tests.training.crashes import assert_equal, crash_at, results

Captured = pytest.CaptureFixture[str]
NAME = "code_that_trains"
LINE = (
    f"model_name={NAME}.Net model_name.dropout=0.2 layer_type={NAME}.Cube2d optimizer={NAME}.Descent "
    f"dataset={NAME}.lamps 'loss={{_target_:{NAME}.Weighted,first:3}}' callbacks=[{NAME}.Ema] "
    "batch_size=30 max_epochs=2 checkpoint.every_n_steps=2 plots.enabled=false trainer=cpu"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("own")
    (place / f"{NAME}.py").write_text(SOURCE)
    (place / "marking.py").write_text(f"__import__('pathlib').Path({str(place / 'marker')!r}).touch()\nx = None\n")
    yield place
    sys.modules.pop(NAME, None)


@pytest.fixture(autouse=True)
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


@pytest.fixture(scope="module")
def alone(folder: Path) -> Path:
    """Give the folder of a run in which all that can be is one's own."""
    with Allowance((NAME,), str(folder)).granted():
        run.train(composed(*shlex.split(LINE)), folder / "alone")
    return folder / "alone"


def test_it_goes_on_to_the_same_bits(alone: Path, folder: Path) -> None:
    with Allowance((NAME,), str(folder)).granted():
        config = composed(*shlex.split(LINE))
        with crash_at(Classification, "on_train_batch_end", 5):
            run.train(config, folder / "crashed")
        run.train(config, folder / "crashed")
    expected = results(alone)
    assert expected["last.ckpt"]["callbacks"]["Ema"]["mean"] != 0.0
    assert expected["last.ckpt"]["state_dict"]["_loss.function.weights"][0] == 3.0
    assert_equal(expected, results(folder / "crashed"))


@pytest.mark.parametrize("command", ["test ckpt=alone", "export ckpt=alone format=torch_export", f"train {LINE}"])
def test_who_opens_it_is_told_what_to_add(command: str, alone: Path, capsys: Captured) -> None:
    words = [*shlex.split(command), *(["run_dir=alone"] if command.startswith("train") else [])]
    assert cli.main(words) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"add --allow {NAME}" in said
    assert cli.main([*words, "--allow", NAME]) == 0


def test_a_program_allows_it_too(alone: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=f"ckpt=.*add --allow {NAME}"):
        load(alone)
    monkeypatch.syspath_prepend(folder)
    net: Any = load(alone, allow=[NAME])
    assert net(torch.rand(2, 1, 8, 8)).shape == (2, 10)
    with pytest.raises(UserError, match="--allow os: is Python's own"):
        load(alone, allow=["os"])
    line = (f"model_name={NAME}.Net", f"dataset={NAME}.Lamps", "trainer=debug", "plots.enabled=false")
    with pytest.raises(UserError, match=f"add --allow {NAME}"):
        train(*line, run_dir=folder / "program")
    result = train(*line, run_dir=folder / "program", allow=[NAME])
    assert result.metrics["status"] == "finished"
    assert result.network(torch.rand(2, 1, 8, 8)).shape == (2, 10)
    assert load(folder / "program/checkpoints/last.ckpt", allow=[NAME]).classes == tuple("0123456789")  # type: ignore


ASKING: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "model": lambda config: config | {"model_name": {"_target_": "marking.x"}},
    "layer type": lambda config: config | {"layer_type": {"_target_": "marking.x"}},
    "data": lambda config: config | {"dataset": config["dataset"] | {"_target_": "marking.x"}},
    "loss": lambda config: config | {"loss": "marking.x"},
}


@pytest.mark.parametrize("case", ASKING)
def test_a_checkpoint_allows_nothing(case: str, alone: Path, folder: Path) -> None:
    checkpoint = torch.load(alone / "checkpoints/last.ckpt", weights_only=True)
    config = ASKING[case](checkpoint["config"]) | {"allow": [NAME, "marking"]}
    torch.save(checkpoint | {"config": config}, folder / "asking.ckpt")
    with Allowance((NAME,), str(folder)).granted():
        with pytest.raises(UserError, match=r"marking\.x: foreign _target_"):
            run.test(folder / "asking.ckpt")
        if case in ("model", "layer type"):
            with pytest.raises(UserError, match=r"marking\.x: foreign _target_"):
                load(folder / "asking.ckpt")
    assert not (folder / "marker").exists()


def test_a_state_that_would_not_be_read_back_is_not_written(tmp_path: Path) -> None:
    good = {"callbacks": {"Mine": {"best": 0.5, "seen": [1, "two"]}}, "optimizer_states": [{"state": {}}]}
    WholeFiles().save_checkpoint(good, tmp_path / "a.ckpt")
    assert torch.load(tmp_path / "a.ckpt", weights_only=True) == good
    with pytest.raises(UserError, match=r"callbacks\.Mine\.best: holds a float64"):
        WholeFiles().save_checkpoint({"callbacks": {"Mine": {"best": np.float64(0.5)}}}, tmp_path / "b.ckpt")
    assert not (tmp_path / "b.ckpt").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "more",
    [
        "trainer=ddp trainer.accelerator=cpu trainer.devices=2",
        "-m seed=1,2 hydra/launcher=joblib hydra.launcher.n_jobs=2",
        "search=optimizer -m seed=1,2 search.trials=1 search.workers=1 val_fraction=0.2",
    ],
)
def test_the_allowance_reaches_other_processes(more: str, tmp_path: Path) -> None:
    line = LINE.replace("trainer=cpu", "") if "ddp" in more else LINE
    assert cli.main(["--allow", NAME, "train", *shlex.split(f"{line} {more}"), f"run_dir={tmp_path}"]) == 0
