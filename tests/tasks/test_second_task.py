"""A second task on a second kind of data: all of it is here, in a line of METRICS and in a file of conf/task."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchmetrics import MeanSquaredError

from high_order_nets import cli
from high_order_nets.config.compose import plan
from high_order_nets.config.overrides import parse
from high_order_nets.data import factory
from high_order_nets.data.base import Data
from high_order_nets.errors import UserError
from high_order_nets.metrics import METRICS, Metric
from high_order_nets.tasks import Outcome, Task
from high_order_nets.tasks.experiment import make_task

FILES = {
    "task/toy.yaml": "name: toy\nheadline: rmse\n",
    "dataset/points.yaml": "defaults:\n  - override /task@_global_.task: toy\n  - _self_\nname: points\nkind: points\n",
}


@dataclass(frozen=True)
class PointSpec:
    kind: ClassVar[str] = "points"

    def example(self, batch: int, device: str = "cpu") -> Tensor:
        return torch.zeros(batch, 2, device=device)

    def offers(self) -> dict[str, Any]:
        return {"channels": 2, "image_size": 1, "num_classes": 1}  # what `mlp` asks for


class Points(Data):
    """y = x₀ x₁ on 64 points, a quarter of them for validation."""

    def __init__(self, config: dict[str, Any]):
        super().__init__()
        x = torch.rand(64, 2, generator=torch.Generator().manual_seed(config["seed"])) * 2 - 1
        self.batches = list(zip(x.split(16), x.prod(1, keepdim=True).split(16), strict=True))

    @property
    def spec(self) -> PointSpec:
        return PointSpec()

    def sample(self, count: int, like: Tensor) -> Tensor:
        return torch.cat([x for x, _ in self.batches[:3]])[:count].to(like)

    def train_dataloader(self) -> Any:
        return DataLoader(self.batches[:3], batch_size=None)  # type: ignore[arg-type]

    def val_dataloader(self) -> Any:
        return DataLoader(self.batches[3:], batch_size=None)  # type: ignore[arg-type]

    test_dataloader = val_dataloader


class Regression(Task, name="toy"):
    headline = "rmse"
    item = "point"

    def make_metrics(self, split: str) -> dict[str, Any]:
        return {"rmse": MeanSquaredError(squared=False)}

    def outcome(self, batch: tuple[Tensor, Tensor], split: str) -> Outcome:
        x, y = batch
        found = self(x)
        return Outcome(F.mse_loss(found, y), len(x), {"preds": found.detach(), "target": y}, found)


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The words that train the toy, but for the folder of the run."""
    monkeypatch.setitem(factory.KINDS, "points", Points)
    monkeypatch.setitem(METRICS, "rmse", Metric("rmse", "root mean square error"))
    for name, text in FILES.items():
        (tmp_path / "own" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "own" / name).write_text(text)
    knobs = ["layer_type=polynomial", "n=3", "model_name=mlp", "scheduler=none", "trainer=cpu", "val_fraction=0.25"]
    return ["train", "--config-dir", str(tmp_path / "own"), "dataset=points", *knobs]


def figures(run: Path) -> dict[str, Any]:
    return json.loads((run / "metrics.json").read_text())


def history(run: Path) -> list[dict[str, str]]:
    with (run / "history.csv").open() as file:
        return list(csv.DictReader(file))


def test_it_is_trained_resumed_tested_tabled_and_drawn(
    line: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    once, twice = tmp_path / "once", tmp_path / "twice"
    assert cli.main([*line, "plots.enabled=false", "max_epochs=4", f"run_dir={once}"]) == 0
    for epochs in (2, 4):
        assert cli.main([*line, f"max_epochs={epochs}", f"run_dir={twice}"]) == 0
    assert "root mean square error" in capsys.readouterr().out
    whole, resumed = figures(once), figures(twice)
    assert whole["headline"] == "rmse"
    assert whole["points_per_second"] > 0
    assert resumed["test_rmse"] == whole["test_rmse"]
    assert [row["val_rmse"] for row in history(once)] == [row["val_rmse"] for row in history(twice)]
    best = min(range(4), key=lambda epoch: float(history(once)[epoch]["val_rmse"]))
    assert (whole["tested"], whole["tested_epoch"]) == ("best", best + 1)
    assert {path.name for path in (twice / "plots").iterdir()} == {"curves.png", "ranges.png", "synapses.png"}
    for command in (["test", f"ckpt={twice}"], ["plot", f"ckpt={twice}"]):
        assert cli.main(command) == 0
    capsys.readouterr()
    assert cli.main(["table", str(once), str(twice), f"out={tmp_path / 'table'}"]) == 0
    assert f"{whole['test_rmse']:.4f}" in capsys.readouterr().out
    assert cli.main(["predict", f"ckpt={once}", "path=x.png"]) == 2  # which is of images


def test_the_line_overrules_the_data(line: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, task in ((line, "toy"), ([*line, "task=classification"], "classification")):
        (job,) = plan(parse(words[1:])).jobs
        assert (job["task"]["name"], job["choices"]["task"]) == (task, task)
    assert cli.main([*line, "task=toys", f"run_dir={tmp_path / 'run'}"]) == 2
    assert "task=toys: unknown task" in capsys.readouterr().err


def test_a_task_that_the_data_cannot_serve_is_refused(settings: Any) -> None:
    class Nothing(PointSpec):
        def offers(self) -> dict[str, Any]:
            return {}

    with pytest.raises(UserError, match=r"^task=classification: needs num_classes, and dataset=digits is points"):
        make_task(nn.Linear(2, 1), settings("dataset=digits"), Nothing())
