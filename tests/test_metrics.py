"""A metric reaches every place by one line in METRICS, and one without a line as a plain number."""

import csv
import io
import math
import re
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from matplotlib.figure import Figure
from rich.table import Table
from torchmetrics import MeanMetric

from high_order_nets import metrics
from high_order_nets.cli.job import _score
from high_order_nets.metrics import METRICS, Metric, figures_of, label, metric, reported
from high_order_nets.plots.curves import draw_curves
from high_order_nets.run import history, record
from high_order_nets.run.folder import Run
from high_order_nets.run.summary import show_summary
from high_order_nets.sweeps import plot, sweep, table
from high_order_nets.sweeps.options import Options
from high_order_nets.sweeps.view import lay_out
from high_order_nets.tasks import Classification, Task
from high_order_nets.training.callbacks import progress
from high_order_nets.training.loggers.tensorboard import Board
from tests.sweeps.tables import leave
from tests.training.test_saving import Fake

Captured = pytest.CaptureFixture[str]
PSNR = Metric("psnr", "signal to noise", "{:.1f}", higher_is_better=True)
SHARE = Metric("hits", "hits", "{:.2%}", higher_is_better=True, percent=True)


@pytest.fixture
def psnr(monkeypatch: pytest.MonkeyPatch) -> Metric:
    """One line more in METRICS."""
    monkeypatch.setitem(METRICS, "psnr", PSNR)
    return PSNR


def run_of(name: str, n: int, headline: str | None = None, **figures: Any) -> Run:
    found = figures if headline is None else {"headline": headline} | figures
    return Run(Path(name), {"choices": {}, "n": n, "seed": 1}, ("n",), {"status": "finished"} | found)


def shown(runs: list[Run], also: tuple[str, ...] = ()) -> list[str]:
    (found,) = lay_out(table.group(runs), None, also=also)
    assert isinstance(found, Table)
    return [str(column.header) for column in found.columns]


# -- what a figure means


def test_what_a_figure_means(psnr: Metric) -> None:
    assert metric("test_acc") is metric("acc") is METRICS["acc"]
    assert metric("val_psnr") is psnr
    assert metric("macs") is metrics.COSTS["macs"]
    assert metric("train_mine_too") == Metric("mine_too", "mine too")
    assert metric("tokens_per_second") == Metric(
        "tokens_per_second", "tokens a second", "{:,.0f}", higher_is_better=True
    )
    names = ("test_psnr", "train_acc5", "val_loss", "val_mine_too", "parameters_reduced", "images_per_second")
    assert [label(name) for name in names] == [
        *("test signal to noise", "training accuracy, top-5", "val loss", "val mine too"),
        *("… without redundant constants", "images a second"),
    ]


@pytest.mark.parametrize(
    ("name", "greater", "written"),
    [
        ("val_acc5", True, "25.00"),
        ("val_loss", False, "0.2500"),
        ("val_psnr", True, "0.2"),
        ("val_mine", False, "0.2500"),
    ],
)
def test_direction_and_form(name: str, greater: bool, written: str, psnr: Metric) -> None:
    assert metric(name).merit(2.0) == (2.0 if greater else -2.0)
    assert metric(name).written(0.25) == written


def test_what_a_classification_is_judged_by() -> None:
    judged = ["test_acc", "test_acc5", "test_loss", "val_acc", "val_loss", "train_acc", "train_loss"]
    logged = {f"{split}_{name}" for split in ("train", "val", "test") for name in ("loss", "acc5", "acc")}
    assert reported(logged, ["acc"]) == judged
    assert reported((), ["acc"]) == [name for name in judged if name != "test_acc5"]
    assert reported((), ["loss"]) == ["test_loss", "val_loss", "train_loss"]


# -- what a run leaves


def test_no_figure_is_dropped_from_the_record() -> None:
    logged = {"val_mine": 3, "train_mine_epoch": 2.0, "train_mine": 9.0, "train_mine_step": 9.0, "mine": 1.0}
    assert figures_of(logged) == {"val_mine": 3.0, "train_mine": 2.0}
    assert figures_of({"tokens_per_second": 5}) == {"tokens_per_second": 5.0}
    found = record.tested_of({"figures": logged, "progress": {"epoch": 3}}, "best")
    assert found == {"tested": "best", "tested_epoch": 3, "val_mine": 3.0}


def test_a_history_has_the_columns_it_is_given(tmp_path: Path, psnr: Metric) -> None:
    usual = "epoch,step,learning_rate,train_loss,train_acc,train_acc5,val_loss,val_acc,val_acc5"
    file = tmp_path / "history.csv"
    row = {"train_acc5": 0.5, "train_acc": 0.25, "train_loss": 1.0, "step": 2, "epoch": 1, "learning_rate": 0.1}
    history.write(file, [row])  # also without a validation
    assert file.read_text() == f"{usual}\n1,2,0.1,1.0,0.25,0.5,,,\n"
    more = row | {"epoch": 2, "val_mine": 7.0, "val_psnr": 30.5, "train_psnr": 31.0}
    history.write(file, [*history.rows(file), more])  # one with fewer columns goes on
    assert file.read_text().splitlines()[0] == f"{usual.replace(',val_', ',train_psnr,val_', 1)},val_psnr,val_mine"
    first, second = history.read_history(file)
    assert first == row
    assert second == {key: more[key] for key in second}
    assert (second["val_mine"], second["val_psnr"]) == (7.0, 30.5)


def test_the_summary_shows_every_test_figure_by_its_form(tmp_path: Path, psnr: Metric, capsys: Captured) -> None:
    figures = {"test_loss": 2.0, "test_mine": 0.5, "test_psnr": 30.25, "val_psnr": 29.0, "val_loss": 1.0}
    show_summary(figures | {"headline": "psnr", "macs": 12345, "tokens_per_second": 1234.5}, tmp_path)
    lines = [line.strip("│ ").split("│") for line in capsys.readouterr().out.splitlines() if "│" in line]
    assert [[cell.strip() for cell in line] for line in lines] == [
        ["test signal to noise", "30.2"],
        ["test mine", "0.5000"],
        ["test loss", "2.0000"],
        ["validation signal to noise", "29.0"],
        ["multiply-adds", "12,345"],
        ["tokens a second", "1,234"],
    ]


def test_hparams_have_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    board = Board(tmp_path, name="", version="tensorboard")
    monkeypatch.setattr("torch.utils.tensorboard.summary.hparams", lambda _, results: asked.append(results) or ())
    monkeypatch.setattr("high_order_nets.training.loggers.tensorboard.shown_settings", lambda _: {})
    figures = {"test_mine": 3.0, "test_acc": 0.5, "val_acc": 0.25, "seconds": 3.0, "tokens_per_second": 9.0}
    board.log_run({}, figures)
    assert list(asked[0].items()) == [
        ("test/acc", 0.5),
        ("test/mine", 3.0),
        ("val/acc", 0.25),
        ("speed/tokens_per_second", 9.0),
    ]


# -- tables, sweeps and searches


def test_a_table_has_a_column_for_it(psnr: Metric) -> None:
    runs = [run_of("0", 2, test_acc=0.5, test_psnr=30.25, test_mine=2.0), run_of("1", 3, test_acc=0.25, test_psnr=31.0)]
    assert shown(runs) == ["n", "test_acc %", "test_psnr", "test_mine"]
    rows = table.group(runs)
    assert table.cells(rows)[1][0][1:4] == ["50.00 (1)", "30.2 (1)", "2.0000 (1)"]
    (first, _) = csv.DictReader(io.StringIO(table.comma_separated(rows)))
    assert (first["test_psnr"], first["test_mine"], first["test_mine_sd"]) == ("30.25", "2", "")
    order = [row.runs[0].folder.name for row in table.ordered(rows, "test_psnr")]
    assert order == ["1", "0"]


def test_what_was_never_tested_has_one_too() -> None:
    runs = [run_of(str(n), n, test_acc=0.5, val_mine=n, val_acc5=0.5, test_acc5=0.5) for n in (2, 3)]
    assert shown(runs) == ["n", "test_acc %", "test_acc5 %", "val_mine"]
    assert "val_mine,val_mine_sd" in table.comma_separated(table.group(runs))


def test_of_other_ways_to_evaluate_a_table_shows_the_headline() -> None:
    other: dict[str, Any] = {
        "test_ema_acc": 0.5,
        "test_ema_acc5": 0.9,
        "test_ema_loss": 1.0,
        "test_flip_ece": 0.1,
        "test_flip_acc": 0.4,
    }
    runs = [run_of(str(n), n, test_acc=0.5, **other) for n in (2, 3)]
    assert shown(runs) == ["n", "test_acc %", "test_ema_acc %", "test_flip_acc %"]
    assert {*other} <= {*table.figures(table.group(runs))}


def test_a_table_of_two_headlines_shows_both(tmp_path: Path, psnr: Metric) -> None:
    runs = [run_of("0", 2, test_acc=0.5, test_loss=1.0), run_of("1", 3, "psnr", test_psnr=30.0, test_loss=2.0)]
    assert shown(runs) == ["n", "test_acc %", "test_psnr"]
    assert shown(runs[1:]) == ["test_psnr"]
    assert shown([run_of("0", 2, "loss", test_loss=1.0, val_loss=2.0)]) == ["test_loss", "val_loss"]
    found = table.figures(table.group(runs))
    assert found[:3] == ["test_acc", "test_psnr", "test_loss"]


def test_the_headline_leads_a_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, psnr: Metric) -> None:
    asked = []
    monkeypatch.setattr(sweep, "write_plots", lambda _, name, __: asked.append(name) or [])
    figures = {"status": "finished", "test_acc": 0.5, "test_psnr": 30.0}
    leave(tmp_path / "0", 0, {"choices": {}, "n": 1, "seed": 1}, **figures, headline="psnr")
    sweep.report(tmp_path)
    assert asked == ["test_psnr"]
    assert (tmp_path / "results.csv").read_text().startswith("seeds,finished,test_psnr,test_psnr_sd,test_acc,")
    sweep.rebuild(Options([tmp_path], sort="test_psnr", columns=["test_psnr"]))


@pytest.mark.parametrize(
    ("name", "values", "order", "heading"),
    [
        ("val_acc5", (0.5, 0.75, 0.25), "102", "val_acc5 %"),  # once worst first, and not shown
        ("val_acc", (0.5, 0.75, 0.25), "102", "val_acc %"),
        ("val_loss", (0.5, 0.75, 0.25), "201", "val_loss"),
        ("val_psnr", (0.5, 0.75, 0.25), "102", "val_psnr"),
        ("val_mine", (0.5, 0.75, 0.25), "201", "val_mine"),
    ],
)
def test_a_search_ends_with_the_best_first(
    name: str, values: tuple[float, ...], order: str, heading: str, tmp_path: Path, psnr: Metric, capsys: Captured
) -> None:
    for number, value in enumerate(values):
        config = {"choices": {}, "layer": f"layer{number}", "seed": 1}
        leave(tmp_path / str(number), number, config, **{"status": "finished", "test_acc5": 0.5, name: value})
    leave(tmp_path / "3", 3, {"choices": {}, "layer": "layer3", "seed": 1}, status="failed")
    sweep.report(tmp_path, name, best_first=True)
    said = capsys.readouterr().out
    places = [said.index(f"layer{number}") for number in f"{order}3"]
    assert places == sorted(places)
    assert re.search(rf"┃ +{heading} ┃", said)
    assert f"| {heading} |" in (tmp_path / "results.md").read_text()


def test_what_a_search_is_for_never_gives_way() -> None:
    runs = [run_of(str(n), n, test_acc=n / 8, test_acc5=0.5, val_acc5=0.5, parameters=n) for n in (2, 3)]
    found, *_ = lay_out(table.group(runs), 40, also=["val_acc5"])
    assert isinstance(found, Table)
    assert [str(column.header) for column in found.columns] == ["n", "test_acc %", "val_acc5 %"]


def test_plots_of_a_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METRICS, "hits", SHARE)
    drawn: dict[str, Figure] = {}
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **_: drawn.update({path.name: figure}))
    runs = [run_of(str(n), n, test_hits=n / 10, test_mine=n) for n in (2, 3)]
    for name, said, highest in (("test_hits", "test hits (%)", 30), ("test_mine", "test mine", 3)):
        plot.write_plots(table.group(runs), name, tmp_path)
        (axes,) = drawn["results_n.png"].axes
        assert axes.get_ylabel() == said
        assert axes.dataLim.y1 == pytest.approx(highest)


def standard(n: int, macs: int, **figures: float) -> Run:
    config = {"choices": {"layer_type": "standard"}, "n": n, "seed": 1}
    return Run(Path(str(n)), config, ("n",), {"status": "finished", "macs": macs} | figures)


@pytest.mark.parametrize(("name", "best"), [("test_acc", 75), ("test_loss", 0.5), ("test_mine", 0.5)])
def test_the_level_is_that_of_the_best_standard_network(
    name: str, best: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: dict[str, Figure] = {}
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **_: drawn.update({path.name: figure}))
    plot.write_plots(table.group([standard(2, 10, **{name: 0.5}), standard(3, 20, **{name: 0.75})]), name, tmp_path)
    (axes,) = drawn["results_macs.png"].axes
    assert [np.max(line.get_ydata()) for line in axes.lines if np.size(line.get_xdata()) == 2] == [best]


# -- curves


def test_curves_draw_what_was_logged(psnr: Metric) -> None:
    history = [
        {
            "epoch": epoch,
            "train_loss": 1.0,
            "val_acc": 0.4,
            "val_acc5": 0.5,
            "val_psnr": 9.0 * epoch,
            "val_mine": -epoch,
        }
        for epoch in (1.0, 2.0, 3.0)
    ]
    figure = draw_curves(history, "title", {"test_acc": 0.5, "test_mine": 2.0, "tested_epoch": 2})
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "accuracy", "signal to noise", "mine"]
    usual = draw_curves(
        [{key: row[key] for key in ("epoch", "train_loss", "val_acc", "val_acc5")} for row in history], ""
    )
    assert [axes.get_ylabel() for axes in usual.axes] == ["loss", "accuracy"]


@pytest.mark.parametrize(
    ("headline", "drawn", "said"),
    [
        ("psnr", ["loss", "signal to noise"], ["best: 3, epoch 3", "test: 9"]),
        ("loss", ["loss", "signal to noise"], ["best: 1, epoch 1", "test: 2"]),
    ],
)
def test_the_headline_is_what_is_best(headline: str, drawn: list[str], said: list[str], psnr: Metric) -> None:
    history = [{"epoch": epoch, "val_loss": epoch, "val_psnr": epoch} for epoch in (1.0, 2.0, 3.0)]
    figure = draw_curves(history, "title", {"test_psnr": 9.0, "test_loss": 2.0, "tested_epoch": 2}, headline)
    assert [axes.get_ylabel() for axes in figure.axes] == drawn
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["validation", *said]


# -- the headline in training


def test_the_best_checkpoint_is_that_of_the_headline(tmp_path: Path, psnr: Metric) -> None:
    for headline, values in (("loss", (3.0, 2.0, 2.5, 1.0)), ("psnr", (1.0, 2.0, 1.5, 3.0))):
        fake = Fake(tmp_path, headline=headline)
        saved = []
        for number, value in enumerate(values):
            fake.trainer.callback_metrics = {f"val_{headline}": value, "val_acc": 0.5 - number / 10}
            fake.trainer.current_epoch, fake.trainer.global_step = number + 1, number + 1
            fake.saver.on_train_epoch_start(fake.trainer, fake.trainer.lightning_module)
            saved.append("best.ckpt" in fake.new())
        assert saved == [True, True, False, True]


def test_the_bar_shows_loss_and_headline() -> None:
    assert progress._shown("acc") == {"train_loss_step": "loss", "train_acc": "acc", "val_acc": "val_acc"}
    assert progress._shown("loss") == {"train_loss_step": "loss", "val_loss": "val_loss"}


def test_a_job_returns_its_headline(tmp_path: Path) -> None:
    for written, expected in (
        ('{"test_acc": 0.5, "test_loss": 2}', 0.5),
        ('{"headline": "loss", "test_acc": 0.5, "test_loss": 2}', 2.0),
    ):
        (tmp_path / "metrics.json").write_text(written)
        assert _score(tmp_path) == expected
    (tmp_path / "metrics.json").write_text("{}")
    assert math.isnan(_score(tmp_path))


class Counting(Classification):
    """Logs, beside what every classification does, the mean label, and is judged by it."""

    headline: ClassVar[str] = "label"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for split in ("train", "val", "test"):
            self.figures[f"{split}_"].add_metrics({"label": Labels(nan_strategy="disable")})  # type: ignore[operator]


class Labels(MeanMetric):
    """Mean of the labels."""

    def update(self, target: Any, preds: Any = None, value: Any = None) -> None:  # type: ignore[override]
        del preds, value
        super().update(target.double())


def test_a_metric_of_a_task_reaches_every_file(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    train = pytest.importorskip("high_order_nets.training.run").train
    monkeypatch.setitem(Task.registry, "classification", Counting)
    caplog.set_level("INFO")
    line = ("model_name=simple", "dataset=digits", "max_epochs=1", "train_fraction=0.1", "val_fraction=0.2")
    score = train(settings(*line), tmp_path / "run")
    (run,) = sweep.read([tmp_path])
    assert (run.headline, run.metrics["test_label"]) == ("label", score)
    assert 3 < score < 6
    (row,) = history.read_history(tmp_path / "run" / "history.csv")
    assert row["train_label"] == pytest.approx(run.metrics["train_label"])
    assert row["val_label"] == pytest.approx(run.metrics["val_label"])
    assert shown([run])[0] == "test_label"
    assert any("train_label" in message and "val_label" in message for message in caplog.messages)
