"""The table of all that is logged."""

import csv
from pathlib import Path

import pytest

from high_order_nets.training.loggers.csv import Csv


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return [{key: value for key, value in row.items() if value} for row in csv.DictReader(file)]


def test_a_column_a_tag_and_a_row_a_call(tmp_path: Path) -> None:
    logger = Csv(tmp_path, 0)
    logger.log_metrics({"train_loss_step": 1.5, "epoch": 0}, 9)
    logger.log_metrics({"epoch": 0}, 9)
    logger.log_metrics({"val_acc": 0.5, "val_loss": 2.0}, 12)
    logger.log_metrics({"train_loss_step": 1.25}, 19)
    assert rows(tmp_path) == [
        {"step": "9", "train/loss_step": "1.5"},
        {"step": "12", "val/acc": "0.5", "val/loss": "2.0"},
        {"step": "19", "train/loss_step": "1.25"},
    ]


def test_a_run_goes_on_where_it_begins(tmp_path: Path) -> None:
    first = Csv(tmp_path, 0)
    for step in (9, 19, 29):
        first.log_metrics({"train_loss_step": step}, step)
    with (tmp_path / "metrics.csv").open("a") as file:
        file.write("3")  # killed here
    second = Csv(tmp_path, 20)
    second.log_metrics({"val_acc": 0.5}, 24)
    second.log_metrics({"train_loss_step": 29}, 29)
    assert [row["step"] for row in rows(tmp_path)] == ["9", "19", "24", "29"]
    assert rows(tmp_path)[-1] == {"step": "29", "train/loss_step": "29"}


def test_another_process_adds_to_it(tmp_path: Path) -> None:
    """As with trainer=ddp the one that spawned those that trained."""
    main = Csv(tmp_path, 0)
    spawned = Csv(tmp_path, 0)
    spawned.log_metrics({"train_acc": 0.5}, 9)
    main.log_metrics({"test_acc": 0.25}, 10)
    assert rows(tmp_path) == [{"step": "9", "train/acc": "0.5"}, {"step": "10", "test/acc": "0.25"}]


def test_a_full_disk_is_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    logger = Csv(tmp_path, 0)
    monkeypatch.setattr("high_order_nets.training.loggers.csv.write_text", full)
    for step in (1, 2):
        logger.log_metrics({"train_acc": 0.5}, step)
    assert [record.message for record in caplog.records] == [
        "logger=csv: nothing more is logged there: OSError: [Errno 28] No space left on device"
    ]
