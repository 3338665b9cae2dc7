"""What TensorBoard shows of a run: read from its files, and asked of TensorBoard itself."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import defaultdict
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from high_order_nets.training import run
from high_order_nets.training.loggers.tags import tag
from high_order_nets.training.loggers.tensorboard import Board, shown_settings

FAST = ("model_name=simple", "dataset=digits", "train_fraction=0.3", "val_fraction=0.2", "batch_size=64")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("board") / "run"


@pytest.fixture
def resumed(folder: Path, settings) -> Path:
    """A run of two epochs that went on to four."""
    if not folder.exists():
        for epochs in (2, 4):
            config = settings(*FAST, "n=2", f"max_epochs={epochs}")
            run.train(config | {"command": "high-order-nets train n=2 lr=0.05 plots.layers=3 run_dir=x"}, folder)
    return folder


def events(folder: Path) -> list:
    """All events of a run, in the order in which TensorBoard reads them."""
    files = sorted((folder / "tensorboard").glob("events.out.*"), key=lambda file: file.name)
    return [event for file in files for event in EventFileLoader(str(file)).Load()]


def test_the_files_lie_in_the_folder_as_it_is_called(tmp_path: Path) -> None:
    folder = tmp_path / "$HOME, ${HOME}"
    assert Path(Board(folder, name="", version="tensorboard").log_dir) == folder / "tensorboard"


def test_the_steps_of_a_tag_never_fall(resumed: Path) -> None:
    steps = defaultdict(list)
    for event in events(resumed):
        for value in event.summary.value:
            steps[value.tag].append(event.step)
    assert {"train/loss", "train/acc", "train/learning_rate", "val/acc", "test/acc", "speed/images_per_second"} <= set(
        steps
    )
    assert not {"epoch", "epochs", "seconds", "val_acc", "hp_metric"} & set(steps)
    assert all(found == sorted(found) for found in steps.values()), steps
    assert len(steps["val/acc"]) == 4
    assert len(set(steps["val/acc"])) == 4


def test_its_data_server_gives_every_epoch(resumed: Path) -> None:
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", resumed, "--port", "0", "--load_fast", "true"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr
            address = next(line for line in server.stderr if "http://" in line).split("http://")[1].split("/")[0]
            points = asked(f"http://{address}/data/plugin/scalars/scalars?run=tensorboard&tag=val/acc")
        finally:
            server.kill()
    assert len(points) == 4


def asked(url: str) -> list:
    for _ in range(50):
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return json.load(answer)
        except urllib.error.HTTPError:  # nothing read yet
            time.sleep(0.2)
    raise AssertionError(f"{url}: no answer")


def test_hparams_show_what_tells_runs_apart(resumed: Path) -> None:
    data = [
        HParamsPluginData.FromString(value.metadata.plugin_data.content)
        for event in events(resumed)
        for value in event.summary.value
        if value.metadata.plugin_data.plugin_name == "hparams"
    ]
    experiment = [each.experiment for each in data if each.WhichOneof("data") == "experiment"][-1]
    tags = [metric.name.tag for metric in experiment.metric_infos]
    assert tags[:4] == ["test/acc", "test/acc5", "test/ece", "test/loss"]
    names = [info.name for info in experiment.hparam_infos]
    assert names[:2] == ["layer_type", "n"]
    assert {"model_name", "dataset", "optimizer", "learning_rate", "seed", "plots.layers", "parameters"} <= set(names)
    assert len(names) <= 15


def test_settings_are_those_in_force(settings) -> None:
    config = settings("layer_type=fourier2d", "n=5", "optimizer=lion") | {"command": "train -m scale=2,3 'skip=[stem]'"}
    shown = shown_settings(config)
    assert shown["layer_type"] == "fourier2d"
    assert (shown["n"], shown["scale"], shown["learning_rate"], shown["skip"]) == (5, 4.0, 1e-4, "[]")
    assert "segments" not in shown


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("train_loss_epoch", "train/loss"),
        ("train_loss_step", "train/loss_step"),
        ("val_acc5", "val/acc5"),
        ("lr-SGD/pg1", "train/learning_rate"),
        ("lr-SGD/pg2", None),
        ("lr-LBFGS", "train/learning_rate"),
        ("lr-SGD/weights", "train/learning_rate"),
        ("lr-SGD/others", None),
        ("lr-SGD/functions", "train/learning_rate_of_functions"),
        ("epochs", None),
        ("seconds_per_epoch", "speed/seconds_per_epoch"),
        ("mine", "mine"),
    ],
)
def test_tags(name: str, expected: str | None) -> None:
    assert tag(name) == expected
