"""A number that is not finite stops the run at its step, and the message says where it came from."""

import json
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from high_order_nets import cli
from high_order_nets.errors import Diverged
from high_order_nets.run.checkpoints import read_checkpoint
from high_order_nets.tasks import Classification
from high_order_nets.training import run
from high_order_nets.training.callbacks.divergence import first_non_finite

FAST = ("model_name=simple", "dataset=digits", "train_fraction=0.3", "batch_size=64", "max_epochs=3")
Spoil = Callable[[Classification, list[torch.Tensor]], None]


def spoil_the_images(task: Classification, batch: list[torch.Tensor]) -> None:
    batch[0][0, 0, 0, 0] = float("nan")


def spoil_a_weight(task: Classification, batch: list[torch.Tensor]) -> None:
    with torch.no_grad():
        task.net.features.layer2[0][0].weight.view(-1)[0] = float("inf")


def inject(monkeypatch: pytest.MonkeyPatch, step: int, spoil: Spoil) -> None:
    """Spoil something just before a step."""
    original = Classification.training_step

    @wraps(original)
    def training_step(self: Classification, batch: Any) -> torch.Tensor:
        if self.global_step == step:
            spoil(self, batch)
        return original(self, batch)

    monkeypatch.setattr(Classification, "training_step", training_step)


def test_the_first_module_is_the_innermost_that_fails_first() -> None:
    linear = nn.Linear(2, 2)
    nn.init.constant_(linear.bias, float("inf"))
    net = nn.Sequential(linear, nn.Sequential(nn.Identity(), nn.LogSoftmax(1)), nn.ReLU())
    found = first_non_finite(net, torch.tensor([[-1.0, 3.0]]))
    assert found["module"] == "0"
    assert found["module_type"] == "Linear"
    assert found["input_range"] == [-1.0, 3.0]
    assert found["finite_inputs"]
    assert not found["finite_weights"]
    assert not any(module._forward_hooks for module in net.modules())
    assert first_non_finite(nn.ReLU(), torch.ones(2))["module"] is None


@pytest.mark.parametrize(("spoil", "first"), [(spoil_the_images, "layer1"), (spoil_a_weight, "layer2")])
def test_nan_at_a_step_is_explained(
    spoil: Spoil, first: str, settings: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inject(monkeypatch, 7, spoil)
    with pytest.raises(Diverged, match=r"the train loss is nan at step 7 \(epoch 1\).*first non-finite output"):
        run.train(settings(*FAST), tmp_path)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    found = metrics["divergence"]
    assert metrics["status"] == "diverged"
    assert (found["step"], found["epoch"]) == (7, 1)
    assert found["module"].startswith(f"net.features.{first}")
    assert (found["finite_inputs"], found["finite_weights"]) == ((True, False) if first == "layer2" else (False, True))
    low, high = found["input_range"]
    assert low < high
    assert read_checkpoint(Path(found["last_good_checkpoint"]))["global_step"] == 6


def test_weights_that_are_not_finite_are_never_saved(
    settings: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step's own loss is still finite: the update that follows it is not."""

    def spoil(self: Classification, *args: Any) -> None:
        if self.global_step == 12:
            spoil_a_weight(self, [])

    monkeypatch.setattr(Classification, "on_train_batch_end", spoil)
    with pytest.raises(Diverged, match=r"the weights of net\.features\.layer2\S* are not finite after step 12"):
        run.train(settings(*FAST), tmp_path)
    assert read_checkpoint(tmp_path / "checkpoints" / "last.ckpt")["global_step"] == 6


def test_the_command_ends_with_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = [
        "train",
        *FAST,
        "trainer=cpu",
        "learning_rate=1e12",
        "domain=extrapolate",
        "norm=none",
        f"run_dir={tmp_path}",
    ]
    assert cli.main([*argv, "gradient_clip_val=0"]) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("high-order-nets:")]
    assert "first non-finite output: net." in line
    assert "no checkpoint was saved before" in line
