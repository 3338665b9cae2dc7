"""A run's pictures: they are there, training does not notice them, and nothing that goes wrong with them ends it."""

import logging
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from high_order_nets import cli
from high_order_nets.errors import UserError
from high_order_nets.plots.curves import draw_curves
from high_order_nets.plots.redraw import redraw
from high_order_nets.run.history import read_history
from high_order_nets.training import run
from high_order_nets.training.callbacks import history, plots

FAST = ("model_name=simple", "dataset=digits", "max_epochs=3", "train_fraction=0.1", "val_fraction=0.2")
DRAWN = (*FAST, "plots.enabled=true")


def pictures(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def warned(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """The warnings alone: a command line of another test may have turned the program's own lines on."""
    return [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_pictures_are_drawn_and_training_does_not_notice(settings, trained, tmp_path: Path, caplog) -> None:
    metrics = trained(*DRAWN, "plots.every_n_epochs=2")
    names = {"curves.png", "ranges-epoch0002.png", "ranges.png", "synapses-epoch0002.png", "synapses.png"}
    names |= {"confusion.png"}  # of the test
    assert pictures(tmp_path / "run" / "plots") == names
    assert not warned(caplog)
    assert run.train(settings(*FAST), tmp_path / "without") == metrics["test_acc"]
    assert not (tmp_path / "without" / "plots").exists()
    states = [torch.load(tmp_path / name / "checkpoints/last.ckpt", weights_only=True) for name in ("run", "without")]
    assert all(states[0]["state_dict"][key].equal(value) for key, value in states[1]["state_dict"].items())
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    assert set(events.Tags()["images"]) == {"plots/curves", "plots/ranges", "plots/synapses"}
    assert len(events.Images("plots/synapses")) == 2


def test_history_has_every_epoch(trained, tmp_path: Path) -> None:
    metrics = trained(*FAST)
    rows = read_history(tmp_path / "run" / "history.csv")
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert rows[-1]["train_loss"] == pytest.approx(metrics["train_loss"])
    assert {"val_acc", "val_loss", "train_acc5", "learning_rate", "step"} <= set(rows[0])


def test_an_epoch_that_is_trained_again_takes_its_place(settings, tmp_path: Path) -> None:
    (tmp_path / "history.csv").write_text("epoch,train_loss,foreign\n0,0.5,7\n1,9,7\n2,9,7\nnone,,\n")
    run.train(settings(*FAST, "max_epochs=1"), tmp_path)
    before, first = read_history(tmp_path / "history.csv")
    assert before == {"epoch": 0, "train_loss": 0.5}
    assert first["epoch"] == 1
    assert first["train_loss"] < 9


def test_a_history_that_cannot_be_written_is_one_warning(
    trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    def fail(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(history, "write", fail)
    assert trained(*FAST, "max_epochs=1")["status"] == "finished"
    (record,) = warned(caplog)
    assert record.getMessage().endswith("history.csv: not written: No space left on device")


def test_what_goes_wrong_is_one_warning(trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    def fail(*args: object) -> None:
        raise OSError("no space\nleft on device")

    monkeypatch.setattr(plots, "write", fail)
    assert trained(*DRAWN)["status"] == "finished"
    assert [record.getMessage() for record in warned(caplog)] == ["plots: not drawn: OSError: no space left on device"]


def test_debug_is_small(trained, tmp_path: Path) -> None:
    trained(*DRAWN, "trainer=debug")
    assert matplotlib.image.imread(tmp_path / "run" / "plots" / "synapses.png").shape[1] < 500


@pytest.mark.parametrize("extra", [("layer_by_layer=true",), ("precision=64-true",), ("layer_type=standard",)])
def test_other_runs_are_drawn(trained, tmp_path: Path, caplog, extra: tuple[str, ...]) -> None:
    trained(*DRAWN, "trainer=debug", *extra)
    assert "synapses.png" in pictures(tmp_path / "run" / "plots")
    assert not warned(caplog)


def test_layers_that_are_not_there_are_refused_at_the_start(trained, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"plots\.layers=nosuch: matches no layer"):
        trained(*DRAWN, "plots.layers=[fc,nosuch]")
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_plot_draws_a_checkpoint_later(trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trained(*FAST, "val_fraction=0")
    folder = tmp_path / "run"
    capsys.readouterr()
    assert cli.main(["plot", f"ckpt={folder}", "layers=fc,*layer1*"]) == 0
    expected = ["curves.png", "ranges-epoch0003.png", "synapses-epoch0003.png"]
    assert capsys.readouterr().out.splitlines() == [str(folder / "plots" / name) for name in expected]
    drawn = redraw(folder / "checkpoints" / "last.ckpt", 1, tmp_path / "elsewhere")
    assert {file.parent for file in drawn} == {tmp_path / "elsewhere"}


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "expected ckpt=PATH"),
        (["ckpt=nosuch.ckpt"], "no such file"),
        (["ckpt=x", "layers=0"], "layers=0: expected a number of at least 1"),
        (["ckpt=x", "layer=1"], "nearest valid name: layers"),
    ],
)
def test_bad_lines_are_refused(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["plot", *argv]) == 2
    assert message in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_refused(trained, tmp_path: Path) -> None:
    trained(*FAST, "max_epochs=1")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        redraw(tmp_path / "run", 1, tmp_path / "file")


@pytest.mark.parametrize("form", ["pdf", "svg"])
def test_other_formats_lie_beside_the_png_and_make_no_other_run(settings, trained, tmp_path: Path, form: str) -> None:
    trained(*DRAWN, "max_epochs=1", f"plots.format={form}")
    names = ("confusion", "curves", "ranges", "synapses")
    assert pictures(tmp_path / "run" / "plots") == {f"{name}.{end}" for name in names for end in ("png", form)}
    assert run.train(settings(*DRAWN, "max_epochs=1"), tmp_path / "run") > 0  # finished already


def test_the_curves_mark_the_test_where_its_weights_are_from() -> None:
    history = [{"epoch": epoch, "train_loss": 1.0, "train_acc": 0.5, "val_acc": 0.4} for epoch in (1.0, 2.0, 3.0)]
    figure = draw_curves(history, "title", {"test_acc": 0.625, "test_loss": 0.75, "tested_epoch": 2})
    stars = [line for axes in figure.axes for line in axes.lines if line.get_marker() == "*"]
    marks = [tuple(np.asarray(line.get_xydata())[0].tolist()) for line in stars]
    assert marks == [(2.0, 0.75), (2.0, 0.625)]
    assert "test: 62.5 %" in [text.get_text() for text in figure.legends[0].get_texts()]
