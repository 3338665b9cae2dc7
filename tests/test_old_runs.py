"""What an older version left stays usable: tests/fixtures/run-0.1 was made by version 0.1.0, at commit 20516c0.

high-order-nets train root=. dataset.root=data run_dir=run-0.1 model_name=simple width=0.25 val_fraction=0.2 n=2 \
    refine.epochs=[2] refine.n=[3] batch_size=64 plots.enabled=false max_epochs=4    (without .hydra/ and tensorboard/)

and the same line with max_epochs=6 gave run-0.1-went-on.csv.
"""

import csv
import json
import shlex
import shutil
from pathlib import Path

import pytest
import torch

from high_order_nets import cli, load
from high_order_nets.data.images.prepared import load_images

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return shutil.copytree(FIXTURES / "run-0.1", tmp_path / "run-0.1")


def metrics(folder: Path) -> dict:
    return json.loads((folder / "metrics.json").read_text(encoding="utf-8"))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", ["", "model.safetensors", "checkpoints/best.ckpt", "checkpoints/last.ckpt"])
def test_it_loads_and_has_the_accuracy_that_it_had(run: Path, name: str) -> None:
    net, digits = load(run / name), load_images("digits", run)
    with torch.inference_mode():
        right = (net(digits.test_images).argmax(1) == digits.test_labels).float().mean()
    assert float(right) == pytest.approx(metrics(run)["test_acc"], abs=1e-6)


def test_its_test_is_repeated(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["test", f"ckpt={run}"]) == 0
    shown = capsys.readouterr().out
    assert "best.ckpt" in shown
    assert f"{metrics(run)['test_acc']:.2%}" in shown


def test_it_stands_in_a_table(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["table", str(run), f"out={tmp_path}"]) == 0
    assert f"{100 * metrics(run)['test_acc']:.2f}" in capsys.readouterr().out
    (row,) = rows(tmp_path / "results.csv")
    assert float(row["test_acc"]) == pytest.approx(metrics(run)["test_acc"], abs=1e-6)
    assert row["status"] == "finished"


def test_it_goes_on_as_it_would_have(run: Path) -> None:
    line = shlex.split(metrics(run)["command"])[1:]
    assert cli.main([*line, f"run_dir={run}", "max_epochs=6"]) == 0
    old, new = rows(FIXTURES / "run-0.1-went-on.csv"), rows(run / "history.csv")
    assert len(new) == len(old) == 6
    # The same bits on one machine; another processor adds up in another order.
    for before, now in zip(old, new, strict=True):
        for key, value in before.items():
            # val_loss was the mean of the batches' losses, whatever their sizes; it is that of the images now.
            assert float(now[key]) == pytest.approx(float(value), abs=2e-3 if key == "val_loss" else 1e-5)
