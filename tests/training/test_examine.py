"""What a run and `test` write of a test: accuracy by class, confusion, predictions, losses of tokens."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from high_order_nets import cli, load
from high_order_nets.plots.confusion import draw_confusion
from high_order_nets.run.checkpoints import read_checkpoint
from high_order_nets.run.layout import CLASSES, CONFUSION, PREDICTIONS, TOKEN_LOSSES
from high_order_nets.training import run
from tests.experiments import composed, train_in

FILES = (CLASSES, CONFUSION, PREDICTIONS, TOKEN_LOSSES)


def read(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture
def own(finished: Path, tmp_path: Path) -> Path:
    """A finished run to write to."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def left(folder: Path) -> list[str]:
    return [name for name in FILES if (folder / name).exists()]


def test_a_run_of_classes_leaves_what_belongs_together(finished: Path) -> None:
    metrics = json.loads((finished / "metrics.json").read_text())
    assert left(finished) == [CLASSES, CONFUSION]
    assert (finished / "plots" / "confusion.png").is_file()
    counts = [[int(row[str(name)]) for name in range(10)] for row in read(finished / CONFUSION)]
    right = sum(counts[i][i] for i in range(10))
    assert right / sum(map(sum, counts)) == pytest.approx(metrics["test_acc"])
    for number, row in enumerate(read(finished / CLASSES)):
        assert (row["class"], int(row["count"]), int(row["correct"])) == (
            *(str(number), sum(counts[number])),
            counts[number][number],
        )
        assert float(row["accuracy"]) == counts[number][number] / sum(counts[number])
    assert 0 <= metrics["test_ece"] <= 1


def test_predictions_are_those_of_the_weights(own: Path) -> None:
    for name in (CLASSES, CONFUSION):
        (own / name).rename(own / f"{name}.before")
    assert cli.main(["test", f"ckpt={own}", "predictions=true"]) == 0
    for name in (CLASSES, CONFUSION):
        assert (own / name).read_text() == (own / f"{name}.before").read_text()
    rows = read(own / PREDICTIONS)
    assert [int(row["index"]) for row in rows] == list(range(len(rows)))
    metrics = json.loads((own / "metrics.json").read_text())
    assert sum(row["label"] == row["predicted"] for row in rows) / len(rows) == pytest.approx(metrics["test_acc"])
    net: Any = load(own)
    from high_order_nets.data.factory import located, make_data  # noqa: PLC0415 - as a user of the weights would

    data: Any = make_data(located(read_checkpoint(own / "checkpoints" / "last.ckpt")["config"]))
    p = net(data.data.test_images[:3]).softmax(1).max(1)
    assert [float(row["probability"]) for row in rows[:3]] == pytest.approx(p.values.tolist(), rel=1e-4)
    assert [row["predicted"] for row in rows[:3]] == [data.classes[i] for i in p.indices]


def test_another_checkpoint_writes_only_where_it_is_told(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (own / CLASSES).unlink()
    other = shutil.copy(own / "checkpoints" / "last.ckpt", own / "checkpoints" / "mine.ckpt")
    run.test(Path(other))
    assert left(own) == [CONFUSION]
    assert cli.main(["test", f"ckpt={other}", "predictions=true"]) == 2
    assert "is not what a finished run has tested; say where to: out=DIR" in capsys.readouterr().err
    assert cli.main(["test", f"ckpt={other}", "predictions=true", f"out={tmp_path / 'new' / 'out'}"]) == 0
    assert left(tmp_path / "new" / "out") == [CLASSES, CONFUSION, PREDICTIONS]
    assert left(own) == [CONFUSION]
    (own / "metrics.json").write_text('{"status": "running"}')
    assert run.tested_run(own / "checkpoints" / "last.ckpt") is None
    assert cli.main(["test", f"ckpt={own}", "predictions=yes"]) == 2
    assert "predictions=yes: expected true or false" in capsys.readouterr().err


def test_the_losses_of_tokens_are_those_of_the_test(tmp_path: Path) -> None:
    words = ("dataset=sentences", "trainer=debug", "plots.enabled=false", "predictions=true", "dataset.stride=5")
    train_in(composed(*words, "model_name.nlayers=1"), tmp_path / "run")
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    rows = read(tmp_path / "run" / TOKEN_LOSSES)
    losses = torch.tensor([float(row["loss"]) for row in rows])
    assert float(losses.mean()) == pytest.approx(metrics["test_loss"], rel=1e-4)
    assert [int(row["position"]) for row in rows] == list(range(1, len(rows) + 1))
    assert left(tmp_path / "run") == [TOKEN_LOSSES]


@pytest.mark.parametrize("count", [2, 10, 100, 200])
def test_a_confusion_of_any_size_is_drawn(count: int) -> None:
    figure = draw_confusion(torch.eye(count, dtype=torch.long), [f"class {i}" for i in range(count)], "title")
    (axes,) = figure.axes
    assert len(axes.texts) == (count if count <= 20 else 0)
    assert (axes.get_yticklabels()[-1].get_text() == f"class {count - 1}") == (count <= 120)
