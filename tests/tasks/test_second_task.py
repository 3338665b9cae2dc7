"""The second task on the second kind of data, regression on points, has all that the first one has."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from torch import nn

import high_order_nets
from high_order_nets import cli
from high_order_nets.config.compose import plan
from high_order_nets.config.overrides import parse
from high_order_nets.data.points.targets import draw_points
from high_order_nets.data.spec import PointSpec
from high_order_nets.errors import UserError
from high_order_nets.tasks.experiment import make_task

LINE = [
    *("train", "dataset=function", "dataset.target=polar", "dataset.points=200", "optimizer=lbfgs", "scheduler=none"),
    *("trainer=cpu", "n=3", "layer_type=polynomial", "val_fraction=0.25", "batch_size=200", "gradient_clip_val=0"),
    *("refine.epochs=[1]", "refine.n=[4]", "precision=64-true"),
]


def figures(run: Path) -> dict[str, Any]:
    return json.loads((run / "metrics.json").read_text())


def history(run: Path) -> list[dict[str, str]]:
    with (run / "history.csv").open() as file:
        return list(csv.DictReader(file))


def test_it_is_trained_resumed_tested_tabled_loaded_and_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    once, twice = tmp_path / "once", tmp_path / "twice"
    assert cli.main([*LINE, "plots.enabled=false", "max_epochs=4", f"run_dir={once}"]) == 0
    for epochs in (2, 4):
        assert cli.main([*LINE, f"max_epochs={epochs}", f"run_dir={twice}"]) == 0
    assert "root mean square error" in capsys.readouterr().out
    whole, resumed = figures(once), figures(twice)
    assert (whole["headline"], whole["rmse"]) == ("rmse", whole["test_rmse"])  # a score stands by its name too
    assert whole["points_per_second"] > 0
    assert resumed["test_rmse"] == whole["test_rmse"]
    assert [row["val_rmse"] for row in history(once)] == [row["val_rmse"] for row in history(twice)]
    best = min(range(4), key=lambda epoch: float(history(once)[epoch]["val_rmse"]))
    assert (whole["tested"], whole["tested_epoch"]) == ("best", best + 1)
    assert {path.name for path in (twice / "plots").iterdir()} == {
        "curves.png",
        "fits.png",
        "ranges.png",
        "synapses.png",
    }
    for command in (["test", f"ckpt={twice}"], ["plot", f"ckpt={twice}"]):
        assert cli.main(command) == 0
    capsys.readouterr()
    assert cli.main(["table", str(once), str(twice), f"out={tmp_path / 'table'}"]) == 0
    assert f"{whole['test_rmse']:.4g}" in capsys.readouterr().out
    for command in (["predict", f"ckpt={once}", str(once / "train.log")], ["export", f"ckpt={once}", "format=onnx"]):
        assert cli.main(command) == 2
        assert f"{command[0]}: is of images or text, and ckpt={once}" in capsys.readouterr().err
    points = draw_points("polar", 1, 1000, 0.0, 1)
    for path in (once, once / "checkpoints" / "best.ckpt"):
        regressor = high_order_nets.load(path)
        errors = regressor(points.test_x).detach() - points.test_y
        assert float(errors.square().mean().sqrt()) == pytest.approx(whole["test_rmse"], rel=1e-9)
        assert (regressor.inputs, regressor.outputs) == (("x", "y"), ("f0", "f1"))
        assert regressor.metadata["metrics"]["test_r2_f1"] == whole["test_r2_f1"]


def test_the_line_overrules_the_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, task in ((LINE, "regression"), ([*LINE, "task=classification"], "classification")):
        (job,) = plan(parse([*words[1:], "max_epochs=4"])).jobs
        assert (job["task"]["name"], job["choices"]["task"]) == (task, task)
        assert job["choices"]["model_name"] == "high_order_mlp"
    (job,) = plan(parse(["dataset=function", "model_name=mlp"])).jobs
    assert job["choices"]["model_name"] == "mlp"
    assert cli.main([*LINE, "task=toys", f"run_dir={tmp_path / 'run'}"]) == 2
    assert "task=toys: unknown task" in capsys.readouterr().err


def test_a_task_or_network_that_the_data_cannot_serve_is_refused(
    settings: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Nothing(PointSpec):
        def offers(self) -> dict[str, Any]:
            return {}

    with pytest.raises(UserError, match=r"^task=classification: needs num_classes, and dataset=digits is points"):
        make_task(nn.Linear(2, 1), settings("dataset=digits"), Nothing((), (), (), ()))
    for words, message in (
        (["dataset=function", "model_name=mlp"], "model_name=mlp: takes images, and dataset=function is points"),
        (["dataset=function", "task=classification"], "task=classification: needs num_classes, and dataset=function"),
        (["dataset=table", "dataset.path=no.csv"], "dataset.path=no.csv: no such file"),
    ):
        assert cli.main(["train", *words, "trainer=cpu", f"run_dir={tmp_path / 'run'}"]) == 2
        assert message in capsys.readouterr().err


def test_layers_that_differ_in_n_are_not_refined(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.main([*LINE, "max_epochs=4", "model_name.last.n=5", f"run_dir={tmp_path}"]) == 2
    assert "refines all layers alike; leave model_name.last.n out" in capsys.readouterr().err
