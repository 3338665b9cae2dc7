"""A sweep's plots against epochs, and the fits of its regressions; what names tell rows apart."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from high_order_nets import cli
from high_order_nets.plots.compared import draw_compared
from high_order_nets.run.folder import Run
from high_order_nets.sweeps import plot, table
from high_order_nets.sweeps.cost_plot import name_of, telling
from high_order_nets.sweeps.epoch_plot import LINES, courses
from tests.sweeps.tables import make

HISTORY = "epoch,step,learning_rate,train_acc,val_acc\n1,1,0.1,0.2,{}\n2,2,0.1,0.4,{}\n"


def learned(folder: Path, name: str, first: float, last: float, **config: Any) -> Run:
    (folder / name).mkdir()
    (folder / name / "history.csv").write_text(HISTORY.format(first, last))
    return replace(make(name, **config), folder=folder / name)


def test_a_metric_is_drawn_by_its_validation_over_seeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = [learned(tmp_path, str(seed), 0.25 * seed, 0.5, seed=seed, refine={"epochs": [2]}) for seed in (1, 2)]
    rows = table.group([*seeds, learned(tmp_path, "3", 0.125, 0.25, layer_type="fourier2d")])
    key, found = courses(rows, "test_acc")
    assert (key, [course for _, course in found]) == (
        "val_acc",
        [{1: [0.25, 0.5], 2: [0.5, 0.5]}, {1: [0.125], 2: [0.25]}],
    )
    drawn: dict[str, Figure] = {}
    monkeypatch.setattr(plot, "_save", lambda figure, path, _: drawn.update({path.name: figure}))
    assert tmp_path / "results_epoch.png" in plot.write_plots(rows, "test_acc", tmp_path)
    (axes,) = drawn["results_epoch.png"].axes
    assert [np.asarray(line.get_ydata()).tolist() for line in axes.lines][:2] == [
        [37.5, 50.0],
        [50.0],
    ]  # in percent; where refined
    assert axes.get_ylabel() == "validation accuracy (%)"
    assert axes.get_legend_handles_labels()[1] == ["standard", "fourier2d", "refined"]


def test_without_validation_the_training_is_drawn_and_of_many_settings_the_best(tmp_path: Path) -> None:
    runs = [learned(tmp_path, str(n), math.nan, math.nan, n=n, metrics={"test_acc": n / 100}) for n in range(2, 14)]
    key, found = courses(table.group(runs), "test_acc")
    assert key == "train_acc"
    assert [row.settings["n"] for row, _ in found] == list(range(14 - LINES, 14))
    (tmp_path / "exact").mkdir()
    losses = [learned(tmp_path / "exact", str(n), 0, 0, n=n, metrics={"test_acc": (n - 11) / 100}) for n in range(12)]
    _, found = courses(table.group(losses), "test_acc")
    assert [row.settings["n"] for row, _ in found] == list(range(12 - LINES, 12))  # the best is exactly 0
    assert courses(table.group([make("0"), make("1", n=3)]), "test_acc") == ("test_acc", [])


def test_names_say_what_it_takes_to_tell_rows_apart() -> None:
    runs = [make("0", n=2, width=1, segments=None), make("1", n=3, width=1), make("2", layer_type="fourier2d", width=2)]
    rows = table.group(runs, ["layer_type", "n", "width"])
    assert telling(rows) == ["layer_type", "n"]
    assert [name_of(row, telling(rows)) for row in rows] == ["standard n=2", "standard n=3", "fourier2d n=2"]


@pytest.mark.parametrize("target", [pytest.param("kink", marks=pytest.mark.slow), "xor"])
def test_the_fits_of_a_sweep_stand_beside_each_other(target: str, tmp_path: Path) -> None:
    line = (
        f"train -m dataset=function dataset.target={target} n=2,3 trainer=debug plots.enabled=false run_dir={tmp_path}"
    )
    assert cli.main(line.split()) == 0
    assert (tmp_path / "fits.png").read_bytes().startswith(b"\x89PNG")
    figure = draw_compared([("one", tmp_path / "0"), ("other", tmp_path / "1")], "two")
    assert figure is not None
    titles = [axes.get_title("left").split("\n")[0] for axes in figure.axes]
    assert [title for title in titles if title] == [*(["f, data"] if target == "xor" else []), "one", "other"]
    (tmp_path / "1" / "model.safetensors").unlink()
    (tmp_path / "1" / "checkpoints" / "last.ckpt").unlink()
    (tmp_path / "fits.png").unlink()
    assert cli.main(["table", str(tmp_path), f"out={tmp_path}"]) == 0
    assert not (tmp_path / "fits.png").exists()


def test_points_of_three_inputs_are_not_drawn(tmp_path: Path) -> None:
    line = f"train dataset=function dataset.target=waves trainer=debug plots.enabled=false run_dir={tmp_path}"
    assert cli.main(line.split()) == 0
    assert draw_compared([("one", tmp_path)], "three") is None
