"""A run on a part of its batches: limit_batches."""

from pathlib import Path
from typing import Any

import pytest

from high_order_nets.run.history import read_history
from high_order_nets.tasks import Classification
from high_order_nets.training import run, trainer
from tests.training.crashes import assert_equal, crash_at, results

FAST = ("model_name=simple", "dataset=digits", "train_fraction=0.3", "batch_size=32", "max_epochs=2")
LIMITED = (*FAST, "val_fraction=0.2", "limit_batches=3", "checkpoint.every_n_steps=1", "measure.best_test=true")


def test_a_limited_run_goes_on_exactly(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = settings(*LIMITED)
    seen: list[str] = []
    outcome = Classification.outcome

    def counted(self: Classification, batch: Any, split: Any) -> Any:
        seen.append(split)
        return outcome(self, batch, split)

    monkeypatch.setattr(Classification, "outcome", counted)
    run.train(config, tmp_path / "alone")
    # In each epoch three of training, of validation and, for the best of it, of the test; then the test.
    assert [seen.count(split) for split in ("train", "val", "test")] == [6, 6, 9]
    rows = read_history(tmp_path / "alone" / "history.csv")
    assert [row["step"] for row in rows] == [3, 6]
    assert rows[1]["learning_rate"] < 1e-3 * rows[0]["learning_rate"]  # one_cycle is over after 6 steps
    with crash_at(Classification, "on_train_batch_end", 5):
        run.train(config, tmp_path / "crashed")
    run.train(config, tmp_path / "crashed")
    assert_equal(results(tmp_path / "alone"), results(tmp_path / "crashed"))


@pytest.mark.parametrize(
    ("config", "most", "validation"),
    [
        ({"limit_batches": 7, "val_fraction": 0.1}, 7, 7),
        ({"limit_batches": 7}, 7, 0),
        ({"limit_batches": 7, "val_fraction": 0.1, "trainer": {"debug": True}}, 1, 1),
        ({"val_fraction": 0.1}, None, None),
    ],
)
def test_the_limits(config: dict[str, Any], most: int | None, validation: int | None) -> None:
    limits = trainer._limits({"limit_batches": None, "val_fraction": 0.0, "trainer": {}} | config)
    assert limits == {"limit_train_batches": most, "limit_test_batches": most, "limit_val_batches": validation}
