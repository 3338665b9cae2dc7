"""A run that was stopped at any point ends as one that was left alone."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from high_order_nets.run import checkpoints
from high_order_nets.tasks import Classification
from high_order_nets.training import run
from high_order_nets.training.callbacks.saver import Saver
from tests.training.crashes import assert_equal, crash_at, results

Settings = Callable[..., dict[str, Any]]
# 4 steps an epoch with a validation split, 6 without
FAST = ("model_name=simple", "dataset=digits", "train_fraction=0.3", "batch_size=64", "max_epochs=2")
EVERY = "checkpoint.every_n_steps=3"
slow = partial(pytest.param, marks=pytest.mark.slow)


@pytest.fixture
def noisy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the network draw from torch's global generator, as dropout does."""
    forward = Classification.forward

    def with_noise(self: Classification, images: torch.Tensor) -> torch.Tensor:
        return forward(self, images + 0.1 * torch.randn_like(images) if self.training else images)

    monkeypatch.setattr(Classification, "forward", with_noise)


@pytest.fixture(scope="module")
def alone() -> dict[str, dict[str, Any]]:
    """What uninterrupted runs gave, by their overrides."""
    return {}


@pytest.fixture
def check(settings: Settings, tmp_path: Path, alone: dict[str, dict[str, Any]]) -> Callable[..., None]:
    """Crash a run at a call, run it again, and compare with one that was left alone."""

    def compare(overrides: str, target: Any, method: str, call: int) -> None:
        config = settings(*FAST, EVERY, *overrides.split())
        if overrides not in alone:
            run.train(config, tmp_path / "alone")
            alone[overrides] = results(tmp_path / "alone")
        with crash_at(target, method, call):
            run.train(config, tmp_path / "crashed")
        run.train(config, tmp_path / "crashed")
        assert_equal(alone[overrides], results(tmp_path / "crashed"))

    return compare


@pytest.mark.parametrize(
    ("target", "method", "call"),
    [
        slow(Classification, "training_step", 1),  # before the first checkpoint
        slow(Classification, "training_step", 5),  # in the second epoch, after the checkpoint of the first
        (Classification, "on_train_batch_end", 7),  # after a checkpoint within the second epoch
        slow(Classification, "validation_step", 2),
        slow(Saver, "_save", 4),  # after the best checkpoint, before the last
        slow(Classification, "test_step", 1),
        (checkpoints, "save_file", 1),
        slow(run, "show_summary", 1),
    ],
)
@pytest.mark.usefixtures("noisy")
def test_a_crash_leaves_no_trace(target: Any, method: str, call: int, check: Callable[..., None]) -> None:
    check("val_fraction=0.2", target, method, call)


@pytest.mark.parametrize(
    "overrides",
    [
        slow("optimizer=adam"),
        slow("optimizer=adamw"),
        slow("optimizer=lion"),
        slow("optimizer=lbfgs"),
        "optimizer=adahessian",
        slow("optimizer=sophia"),
        "scheduler=plateau scheduler.patience=0 val_fraction=0.2",
        slow("scheduler=plateau scheduler.patience=0"),
        slow("scheduler=cosine warmup_epochs=1"),
        "layer_by_layer=true",
        slow("layer_by_layer=true max_epochs=5 epochs_per_layer=2"),
        slow("precision=bf16-mixed"),
        slow("precision=64-true"),
        slow("clamp_weights=0.05"),
        slow("num_workers=2"),
        "sharing=channel init=mixed functions.lr=0.5 functions.smoothness=1e-3 functions.frozen=0.5",
        slow("optimizer=adamw functions.decay_by_degree=[1,4]"),
        slow("sharing=deviation init=mixed functions.until=0.8"),
        "rules={stem:{n:2}} sharing=channel rank=2 dataset.augment.cutmix=1.0 dataset.augment.mix_probability=0.7",
        "ema.decay=0.9 ema.best=true accumulate=3 val_fraction=0.2 n=2 refine.epochs=[1] refine.n=[3] align=layer",
        slow("ema.decay=0.9 accumulate=2 layer_by_layer=true max_epochs=3 align=layer"),
        slow("ema.decay=0.9 accumulate=2 optimizer=lbfgs"),
        "model_name=resnet10_small width=0.25 drop_path=0.5 layer_type=standard",
        slow("dataset.augment.policy=trivial dataset.augment.erasing=0.5 num_workers=1"),
        slow("dataset.augment.mixup=0.3 dataset.augment.mix_until=0.5 num_workers=1 loss=mse"),
    ],
)
@pytest.mark.parametrize("call", [5, slow(8)])
def test_everything_that_has_state_goes_on(overrides: str, call: int, check: Callable[..., None]) -> None:
    check(overrides, Classification, "on_train_batch_end", call)


HOPELESS = "learning_rate=1e-12 scheduler=none norm=none val_fraction=0.2 max_epochs=9 early_stopping=1"


@pytest.mark.parametrize(
    ("target", "method", "call"),
    [slow(Classification, "on_train_batch_end", 7), (Classification, "test_step", 1)],
)
def test_early_stopping_goes_on_and_stays_stopped(
    target: Any, method: str, call: int, check: Callable[..., None]
) -> None:
    check(HOPELESS, target, method, call)
