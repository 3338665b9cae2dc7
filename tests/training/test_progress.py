"""What a terminal shows of a run while it trains."""

import csv
import sys
from pathlib import Path

import pytest

from high_order_nets.training.callbacks.progress import clock
from tests.training.terminal import screen_of

LINE = ("model_name=simple", "dataset=digits", "train_fraction=0.3", "val_fraction=0.2", "max_epochs=3", "n=2")
REFINED = ("refine.epochs=[1]", "refine.n=[3]", "plots.enabled=false")


@pytest.mark.parametrize("width", [80, pytest.param(120, marks=pytest.mark.slow)])
def test_no_line_is_lost_or_drawn_over(tmp_path: Path, width: int) -> None:
    command = [sys.executable, "-m", "high_order_nets", "train", *LINE, *REFINED, f"run_dir={tmp_path}"]
    screen = screen_of(command, width)
    with (tmp_path / "history.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    figures = ("train_loss", "train_acc", "val_loss", "val_acc")
    lines = [
        f"epoch {row['epoch']}/3  " + "  ".join(f"{name} {float(row[name]):.4f}" for name in figures) for row in rows
    ]
    assert [line for line in screen if line in lines] == lines
    assert any(line.startswith("refined to n=3") for line in screen)
    (bar,) = [line for line in screen if line.startswith("epoch 3/3 ") and "left" in line]
    assert {"lr", "loss", "acc"} <= set(bar.split())
    assert max(map(len, screen)) <= width


@pytest.mark.parametrize(("seconds", "text"), [(None, "-:--"), (0, "0:00"), (59.6, "1:00"), (3723, "1:02:03")])
def test_durations(seconds: float | None, text: str) -> None:
    assert clock(seconds) == text
