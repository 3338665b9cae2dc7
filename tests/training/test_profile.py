"""torch's profiler beside a run: what it leaves, and that the run does not notice."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from high_order_nets.training import run
from high_order_nets.training.callbacks import profile
from high_order_nets.training.callbacks.profile import Profile
from tests.training.crashes import assert_equal, results

FAST = ("model_name=simple", "dataset=digits", "train_fraction=0.3", "batch_size=32", "max_epochs=1")


def test_a_profile_changes_nothing(settings: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    plain = settings(*FAST, "limit_batches=6")
    watched = plain | {"profile": True}
    run.train(plain, tmp_path / "plain")
    with caplog.at_level("INFO"):
        run.train(watched, tmp_path / "watched")
    found = results(tmp_path / "watched")
    found["last.ckpt"]["config"] = plain
    assert_equal(results(tmp_path / "plain"), found)
    assert not (tmp_path / "plain" / "trace.json").exists()
    table = (tmp_path / "watched" / "profile.txt").read_text()
    assert "profile of steps 4 to 6" in caplog.text
    assert table in caplog.text
    assert "Self CPU" in table
    assert len(rows(table)) == 10
    events = json.loads((tmp_path / "watched" / "trace.json").read_text())["traceEvents"]
    assert sum(event["name"].startswith("Optimizer.step#") for event in events) == 3


def rows(table: str) -> list[str]:
    """Give the rows of the table: those between its second line and its third."""
    lines = table.splitlines()
    rules = [number for number, line in enumerate(lines) if line.startswith("---")]
    return lines[rules[1] + 1 : rules[2]]


def trainer(steps: int, epoch: int = 0) -> Any:
    strategy = SimpleNamespace(root_device=torch.device("cpu"))
    return SimpleNamespace(num_training_batches=steps, current_epoch=epoch, is_global_zero=True, strategy=strategy)


@pytest.mark.parametrize(("steps", "watched"), [(1, [0]), (3, [2]), (5, [3, 4]), (20, [3, 4, 5, 6, 7])])
def test_the_steps_that_are_watched(
    steps: int, watched: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile, "profile", lambda **_: SimpleNamespace(start=lambda: None, stop=lambda: None))
    monkeypatch.setattr(Profile, "_end", lambda self, *_: setattr(self, "_profile", None))
    callback, seen = Profile(tmp_path), []
    for epoch in (0, 1):
        for step in range(steps):
            callback.on_train_batch_start(trainer(steps, epoch), None, None, step)  # type: ignore[arg-type]
            seen += [(epoch, step)] if callback._profile is not None else []
            callback.on_train_batch_end(trainer(steps, epoch), None, None, None, step)  # type: ignore[arg-type]
    assert seen == [(0, step) for step in watched]


def test_a_run_that_is_stopped_meanwhile_leaves_no_profiler_on(tmp_path: Path) -> None:
    callback = Profile(tmp_path)
    callback.on_train_batch_start(trainer(1), None, None, 0)  # type: ignore[arg-type]
    callback.on_exception(trainer(1), None, KeyboardInterrupt())  # type: ignore[arg-type]
    with torch.profiler.profile():  # a second one at a time would be refused
        pass
    assert not [*tmp_path.iterdir()]


def test_a_full_disk_ends_no_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    callback = Profile(tmp_path / "missing")
    callback.on_train_batch_start(trainer(1), None, None, 0)  # type: ignore[arg-type]
    callback.on_train_batch_end(trainer(1), None, None, None, 0)  # type: ignore[arg-type]
    assert "profile: not written: No such file or directory" in caplog.text
