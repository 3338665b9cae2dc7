"""What is saved of a run, when, and where it goes on: step by step on a trainer that only remembers."""

import math
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from high_order_nets.errors import Diverged, Interrupted, UserError
from high_order_nets.training.callbacks.saver import Saver, settle

CONFIG = {
    "checkpoint": {"every_n_steps": None},
    "val_fraction": 0.5,
    "layer_by_layer": False,
    "max_epochs": 3,
    "batch_size": 8,
}


class Fake:
    """A trainer of five batches an epoch, its network and its signals; remembers the names of what is saved."""

    def __init__(self, tmp_path: Path, every: int | None = None, headline: str = "acc", **config: Any):
        self.saved: list[str] = []
        self.explained: list[Exception] = []
        self.signum: int | None = None
        net = nn.Linear(1, 1)
        net.explain, net.net = self.explained.append, net.__class__(1, 1)  # type: ignore[assignment]
        net.headline = headline  # type: ignore[assignment]
        self.trainer: Any = SimpleNamespace(
            current_epoch=0,
            global_step=0,
            callback_metrics={},
            num_training_batches=5,
            world_size=1,
            should_stop=None,
            datamodule=SimpleNamespace(start=None),
            fit_loop=SimpleNamespace(restarting=True),
            lightning_module=net,
            save_checkpoint=self._save,
        )
        signals: Any = SimpleNamespace(received=self._received)
        checkpoint = {"every_n_steps": every}
        self.folder = tmp_path
        self.saver = Saver(CONFIG | {"checkpoint": checkpoint} | config, tmp_path, signals)

    def _save(self, path: Path) -> None:
        assert path.parent == self.folder
        self.saved.append(path.name)

    def _received(self, trainer: Any) -> int | None:
        assert trainer is self.trainer
        return self.signum

    def new(self) -> list[str]:
        """What was saved since it was last asked."""
        found, self.saved = self.saved, []
        return found

    def epoch(self, number: int, accuracy: float | None = None) -> list[str]:
        self.trainer.current_epoch, self.trainer.global_step = number, 5 * number
        self.trainer.callback_metrics = {} if accuracy is None else {"val_acc": accuracy}
        self.saver.on_train_epoch_start(self.trainer, self.trainer.lightning_module)
        return self.new()

    def batch(self, number: int, step: int) -> list[str]:
        self.trainer.global_step = step
        self.saver.on_train_batch_start(self.trainer, self.trainer.lightning_module, None, number)
        return self.new()

    def load(self, step: int = 5, done: bool = False, epoch: int = 1, batch: int = 0, **progress: Any) -> None:
        progress = {"processes": 1, "shared_batches": True} | progress
        checkpoint = {
            "progress": {"epoch": epoch, "batch": batch, "done": done} | progress,
            "global_step": step,
            "figures": {"val_acc": 0.5},
            "config": CONFIG,
            "optimizer_states": [{"state": {}, "param_groups": [{"params": [0, 1]}]}],
            "lr_schedulers": [],
        }
        self.saver.on_load_checkpoint(self.trainer, self.trainer.lightning_module, checkpoint)


def test_an_epoch_is_saved_and_the_best_before_the_last(tmp_path: Path) -> None:
    fake = Fake(tmp_path)
    assert saved_progress(fake)["done"] is False
    assert fake.epoch(0, 0.1) == []
    assert fake.saver.last is None
    assert fake.epoch(1, 0.5) == ["best.ckpt", "last.ckpt"]
    assert fake.saver.last == tmp_path / "last.ckpt"
    assert fake.epoch(2, 0.5) == ["last.ckpt"]
    assert fake.epoch(3, 0.25) == ["last.ckpt"]
    assert fake.epoch(4, 0.75) == ["best.ckpt", "last.ckpt"]
    assert fake.epoch(5) == ["last.ckpt"]
    assert fake.saver.state_dict() == {"best": 0.75}


@pytest.mark.parametrize("config", [{"val_fraction": 0}, {"layer_by_layer": True}])
def test_without_a_comparison_there_is_no_best(config: dict[str, Any], tmp_path: Path) -> None:
    fake = Fake(tmp_path, **config)
    assert fake.epoch(1, 0.5) == ["last.ckpt"]
    assert fake.saver.state_dict() == {"best": -math.inf}


def test_the_best_score_is_kept_by_the_checkpoint(tmp_path: Path) -> None:
    fake = Fake(tmp_path)
    fake.saver.load_state_dict({"best": 0.5})
    assert fake.epoch(1, 0.4) == ["last.ckpt"]
    assert fake.epoch(2, 0.6) == ["best.ckpt", "last.ckpt"]


@pytest.mark.parametrize(
    ("every", "val_fraction", "saved"),
    # batches 0 … 4 are the steps 4 … 8; batch 0 was saved as the epoch before
    [(None, 0.5, [4]), (None, 0, []), (3, 0, [2]), (3, 0.5, [2, 4]), (4, 0, [4]), (1, 0, [1, 2, 3, 4])],
)
def test_steps_between(every: int | None, val_fraction: float, saved: list[int], tmp_path: Path) -> None:
    fake = Fake(tmp_path, every, val_fraction=val_fraction)
    assert [batch for batch in range(5) if fake.batch(batch, 4 + batch) == ["last.ckpt"]] == saved
    assert fake.trainer.fit_loop.restarting is False
    fake.trainer.num_training_batches = 1
    assert fake.batch(0, 9) == []


def test_the_end_is_saved_whatever_was(tmp_path: Path) -> None:
    fake = Fake(tmp_path)
    fake.load(step=5)
    assert fake.epoch(1, 0.5) == []  # just resumed here
    fake.saver.on_train_end(fake.trainer, fake.trainer.lightning_module)
    assert fake.new() == ["best.ckpt", "last.ckpt"]
    progress = saved_progress(fake)
    assert progress["done"] is True


@pytest.mark.parametrize("hook", ["on_train_epoch_start", "on_train_batch_start", "on_train_end"])
def test_a_signal_saves_once_and_stops(hook: str, tmp_path: Path) -> None:
    fake = Fake(tmp_path, val_fraction=0)
    fake.signum = signal.SIGTERM
    arguments = (None, 2) if hook == "on_train_batch_start" else ()
    fake.trainer.global_step = 7
    for expected in (["last.ckpt"], ["last.ckpt"] if hook == "on_train_end" else []):
        with pytest.raises(Interrupted) as raised:
            getattr(fake.saver, hook)(fake.trainer, fake.trainer.lightning_module, *arguments)
        assert raised.value.code == 128 + signal.SIGTERM
        assert fake.new() == expected


def test_a_signal_in_a_validation_saves_nothing(tmp_path: Path) -> None:
    fake = Fake(tmp_path)
    fake.saver.on_validation_batch_start(fake.trainer, fake.trainer.lightning_module, None, 0)
    fake.signum = signal.SIGINT
    with pytest.raises(Interrupted, match="SIGINT"):
        fake.saver.on_validation_batch_start(fake.trainer, fake.trainer.lightning_module, None, 0)
    assert fake.new() == []


def test_weights_that_are_not_finite_are_explained_and_not_saved(tmp_path: Path) -> None:
    fake = Fake(tmp_path)
    with torch.no_grad():
        fake.trainer.lightning_module.bias.fill_(math.inf)
    with pytest.raises(Diverged, match=r"^the weights of bias are not finite after step 5$") as raised:
        fake.epoch(1)
    assert fake.explained == [raised.value]
    assert fake.new() == []


def counts(ready: int, started: int, processed: int, completed: int) -> dict[str, Any]:
    numbers = {"ready": ready, "started": started, "processed": processed, "completed": completed}
    return {"total": dict(numbers), "current": dict(numbers)}


def loops(epochs: tuple[int, int, int, int], batches: tuple[int, int, int, int]) -> dict[str, Any]:
    batch = counts(*batches) | {"is_last_batch": None}
    return {"epoch_progress": counts(*epochs), "epoch_loop.batch_progress": batch}


def test_a_step_that_has_been_made_ready_is_taken_back() -> None:
    loop = loops((2, 2, 1, 1), (8, 7, 7, 7))  # within the second epoch, seven batches done
    assert settle(loop) == {"epoch": 1, "batch": 7}
    assert loop == loops((2, 2, 1, 1), (7, 7, 7, 7)) | {
        "epoch_loop.batch_progress": counts(7, 7, 7, 7) | {"is_last_batch": False}
    }


def test_an_epoch_that_has_been_made_ready_is_taken_back() -> None:
    loop = loops((3, 2, 2, 2), (5, 5, 5, 5))  # the third epoch is about to begin
    assert settle(loop) == {"epoch": 2, "batch": 0}
    assert loop == loops((2, 2, 2, 2), (5, 5, 5, 5)) | {
        "epoch_loop.batch_progress": counts(5, 5, 5, 5) | {"is_last_batch": True}
    }


def saved_progress(fake: Fake) -> dict[str, Any]:
    checkpoint: dict[str, Any] = {"loops": {"fit_loop": loops((2, 2, 1, 1), (3, 3, 3, 3))}}
    fake.saver.on_save_checkpoint(fake.trainer, fake.trainer.lightning_module, checkpoint)
    return checkpoint["progress"]


def test_a_checkpoint_says_whose_it_is_and_how_far_it_came(tmp_path: Path) -> None:
    fake = Fake(tmp_path)
    fake.trainer.world_size = 2
    fake.load(processes=2)
    fake.trainer.callback_metrics = {"train_acc": torch.tensor(0.25)}
    checkpoint: dict[str, Any] = {"loops": {"fit_loop": loops((2, 2, 1, 1), (3, 3, 3, 3))}}
    fake.saver.on_save_checkpoint(fake.trainer, fake.trainer.lightning_module, checkpoint)
    assert checkpoint["config"]["checkpoint"] == {"every_n_steps": None}
    assert checkpoint["figures"] == {"val_acc": 0.5, "train_acc": 0.25}
    expected = {"epoch": 1, "batch": 3, "done": False, "processes": 2, "shared_batches": True}
    assert checkpoint["progress"] == expected


@pytest.mark.parametrize(("done", "epoch", "stops"), [(False, 1, False), (True, 2, True), (True, 3, False)])
def test_a_run_that_ended_early_stays_ended(done: bool, epoch: int, stops: bool, tmp_path: Path) -> None:
    fake = Fake(tmp_path)
    fake.load(done=done, epoch=epoch, batch=4, processes=1)
    assert fake.trainer.should_stop is stops
    assert fake.trainer.datamodule.start == (epoch, 4)
    assert fake.saver.last == tmp_path / "last.ckpt"


def test_within_an_epoch_as_many_processes_go_on(tmp_path: Path) -> None:
    fake = Fake(tmp_path)
    fake.load(processes=2)  # between two epochs any number may
    fake.trainer.world_size = 2
    fake.load(processes=2, batch=3)
    fake.trainer.world_size = 1
    with pytest.raises(UserError, match=r"^trainer\.devices=1: .* within an epoch of 2 processes; go on with as many$"):
        fake.load(processes=2, batch=3)


def test_an_older_run_of_several_processes_says_what_its_batch_was(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fake = Fake(tmp_path)
    fake.trainer.world_size = 2
    older = {"progress": {"epoch": 1, "batch": 0, "done": False, "processes": 2}, "global_step": 5, "figures": {}}
    states = [{"state": {}, "param_groups": [{"params": [0, 1]}]}]
    older |= {"config": CONFIG, "optimizer_states": states, "lr_schedulers": []}
    said = "batch_size=8: until here, by an older version, it was that of each of 2 processes"
    fake.saver.on_load_checkpoint(fake.trainer, fake.trainer.lightning_module, older)
    assert caplog.messages == [f"{said}; now it is that of a step"]
    older["progress"]["batch"] = 3
    with pytest.raises(UserError, match=f"^{said}, and the run stopped within an epoch; name another run_dir$"):
        fake.saver.on_load_checkpoint(fake.trainer, fake.trainer.lightning_module, older)
    older["progress"]["processes"] = fake.trainer.world_size = 1
    fake.saver.on_load_checkpoint(fake.trainer, fake.trainer.lightning_module, older)
    assert len(caplog.messages) == 1


def test_a_first_epoch_of_one_step_is_saved(tmp_path: Path) -> None:
    fake = Fake(tmp_path, val_fraction=0.0)
    fake.trainer.current_epoch, fake.trainer.global_step = 1, 1
    fake.saver.on_train_epoch_start(fake.trainer, fake.trainer.lightning_module)
    assert fake.new() == ["last.ckpt"]
