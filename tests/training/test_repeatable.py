"""What a run's figures must not depend on, and what they must not find."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from high_order_nets import cli
from high_order_nets.data.images.digits import load_digits
from high_order_nets.tasks import Classification
from high_order_nets.training import run
from tests.training.crashes import assert_equal, crash_at, results

Settings = Callable[..., dict[str, Any]]
FAST = ("model_name=simple", "dataset=digits", "train_fraction=0.3", "batch_size=64", "max_epochs=2")
DDP = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "checkpoint.every_n_steps=2")


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # on a single core
@pytest.mark.parametrize("workers", [2])
def test_loader_workers_change_nothing(workers: int, settings: Settings, tmp_path: Path) -> None:
    for number in (0, workers):
        run.train(settings(*FAST, f"num_workers={number}"), tmp_path / str(number))
    one, other = (results(tmp_path / str(number)) for number in (0, workers))
    assert_equal(one["metrics"], other["metrics"])
    assert_equal(one["weights"], other["weights"])


@pytest.mark.parametrize("epochs", [2, pytest.param(12, marks=pytest.mark.slow)])
def test_random_labels_are_not_learned_for_images_held_out(epochs: int, settings: Settings, tmp_path: Path) -> None:
    digits = load_digits()
    tensors = {"train_images": digits.train_images, "test_images": digits.test_images}
    for split in ("train", "test"):
        labels = getattr(digits, f"{split}_labels")
        tensors[f"{split}_labels"] = labels[torch.randperm(len(labels))].clone()
    metadata = {"dataset": "mnist", "classes": json.dumps(list(digits.classes))}
    save_file({key: value.contiguous() for key, value in tensors.items()}, tmp_path / "mnist.safetensors", metadata)
    still = ("dataset.augment.crop=0", "dataset.augment.rotation=0")
    overrides = ("dataset=mnist", f"dataset.root={tmp_path}", f"max_epochs={epochs}", *still)
    accuracy = run.train(settings(*overrides), tmp_path / "run")
    train_accuracy = json.loads((tmp_path / "run" / "metrics.json").read_text())["train_acc"]
    spread = (0.1 * 0.9 / len(tensors["test_labels"])) ** 0.5
    assert abs(accuracy - 0.1) < 4 * spread
    assert epochs < 12 or train_accuracy > 0.5  # it does learn them by heart


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of the spawned processes
@pytest.mark.timeout(900)
def test_two_processes_go_on_with_the_same_bits(settings: Settings, tmp_path: Path) -> None:
    config = settings(*FAST, *DDP, "batch_size=32")
    run.train(config, tmp_path / "alone")
    with crash_at(run, "_load_best", 1):
        run.train(config, tmp_path / "stopped")
    (tmp_path / "stopped" / "checkpoints" / "last.ckpt").unlink()  # the one before is of a step within the epoch
    run.train(config, tmp_path / "stopped")
    assert_equal(results(tmp_path / "alone"), results(tmp_path / "stopped"))


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.timeout(900)
def test_two_processes_in_a_multirun(tmp_path: Path) -> None:
    assert cli.main(["train", "-m", *FAST, *DDP, "n=2,3", f"run_dir={tmp_path}"]) == 0
    for job in "01":
        assert json.loads((tmp_path / job / "metrics.json").read_text())["status"] == "finished"


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.timeout(900)
def test_two_processes_explain_divergence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["learning_rate=1e12", "domain=extrapolate", "norm=none", "gradient_clip_val=0", f"run_dir={tmp_path}"]
    assert cli.main(["train", *FAST, *DDP, *argv]) == 1
    assert "first non-finite output: net." in capsys.readouterr().err
    assert json.loads((tmp_path / "metrics.json").read_text())["divergence"]["module"].startswith("net.")


def test_the_noise_of_a_step_is_its_own(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[float] = []
    forward = Classification.forward

    def draw(self: Classification, images: torch.Tensor) -> torch.Tensor:
        if self.training:
            drawn.append(torch.rand(()).item())
        return forward(self, images)

    monkeypatch.setattr(Classification, "forward", draw)
    run.train(settings(*FAST), tmp_path)
    assert len(set(drawn)) == len(drawn) == 12
