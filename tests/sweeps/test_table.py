"""Runs grouped to rows: mean and s.d., what becomes a column, the plots."""

import csv
import io
import statistics
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

from high_order_nets.metrics import metric
from high_order_nets.run.folder import Run
from high_order_nets.sweeps import plot, table


def make_run(status: str = "finished", score: float = 0.5, keys: tuple[str, ...] | None = (), **config: Any) -> Run:
    layer_type = config.pop("layer_type", "polynomial")
    settings = {"choices": {"layer_type": layer_type}, "optimizer": {"momentum": 0.9}, "seed": 1, "n": 3} | config
    metrics = {"status": status} | ({"test_acc": score, "parameters": 1000} if status == "finished" else {})
    return Run(Path(f"sweep/{id(settings)}"), settings, keys, metrics)


def test_seeds_are_one_row_with_mean_and_sample_deviation() -> None:
    scores = [0.5, 0.6, 0.75]
    (row,) = table.group([make_run(score=score, seed=seed) for seed, score in enumerate(scores)])
    assert row.mean("test_acc") == pytest.approx(statistics.fmean(scores))
    assert row.deviation("test_acc") == pytest.approx(statistics.stdev(scores))
    assert table.spread(row, "test_acc") == "61.67 ± 12.58 (3)"
    assert row.status == "finished"


def test_only_finished_runs_count() -> None:
    runs = [make_run(), make_run("diverged", seed=2), make_run("missing", seed=3)]
    (row,) = table.group(runs)
    assert table.spread(row, "test_acc") == "50.00 (1)"
    assert row.status == "diverged (seed 2), missing (seed 3)"
    assert [line.split(": ")[1] for line in table.failures(runs)] == ["diverged", "missing"]


def test_a_repeated_seed_is_no_new_sample() -> None:
    (row,) = table.group([make_run("failed"), make_run(), make_run()])
    assert table.spread(row, "test_acc") == "50.00 (1)"
    assert row.status == "finished"


def test_columns_are_the_named_settings_that_differ() -> None:
    runs = [make_run(keys=("n", "layer_type", "seed"), n=n, layer_type=layer) for n, layer in ((2, "a"), (3, "a"))]
    assert table.columns(runs) == ["n"]
    assert table.columns([*runs, make_run(optimizer={"momentum": 0.5}, keys=("optimizer.momentum",))]) == [
        "n",
        "layer_type",
        "optimizer.momentum",
    ]


def test_runs_that_differ_without_a_column_are_not_averaged() -> None:
    assert len(table.group([make_run(), make_run(optimizer={"momentum": 0.5})])) == 2
    assert len(table.group([make_run(), make_run(command="other", root="/elsewhere")])) == 1


def test_runs_without_a_command_line_show_their_knobs() -> None:
    assert table.columns([make_run(keys=None), make_run(keys=None, n=5)]) == ["n"]


def test_texts_survive_markdown_and_csv() -> None:
    runs = [make_run(keys=("note",), note=note) for note in ("a|b, c", "d")]
    rows = table.group(runs)
    assert table.markdown(rows, ["x: failed"]).splitlines()[2].startswith(r"| a\|b, c | 50.00 (1) | 1,000 |")
    assert table.markdown(rows, ["x: failed"]).endswith("\n\n* x: failed\n")
    assert [row["note"] for row in csv.DictReader(io.StringIO(table.comma_separated(rows)))] == ["a|b, c", "d"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [([2, 3], ["x"]), ([2, 2], []), (["a", "b"], []), ([True, False], []), ([0.1, None, 0.2], ["x"])],
)
def test_numbers_that_were_swept(values: list[Any], expected: list[str]) -> None:
    rows = table.group([make_run(keys=("x", "layer_type"), x=x, layer_type=str(x)) for x in values])
    assert plot.swept_numbers(rows) == expected


def test_a_grid_is_drawn_as_lines_and_a_search_as_points(tmp_path: Path) -> None:
    grid = [make_run(keys=("n", "layer_type"), n=n, layer_type=layer) for layer in "ab" for n in (2, 3, 5)]
    lines = plot._lines(table.group(grid), "n")
    assert list(lines) == ["a", "b"]
    assert plot._is_grid(lines, "n")
    found = [make_run(keys=("n", "rate"), n=n, rate=n**0.5) for n in range(1, 20)]
    assert not plot._is_grid(plot._lines(table.group(found), "n"), "n")
    for runs in (grid, found):
        for file in plot.write_plots(table.group(runs), "test_acc", tmp_path):
            assert file.read_bytes().startswith(b"\x89PNG")
    assert {file.name for file in tmp_path.iterdir()} == {"results_n.png", "results_rate.png"}


def test_nothing_is_drawn_of_nothing(tmp_path: Path) -> None:
    assert plot.write_plots([], "test_acc", tmp_path) == []
    assert plot.write_plots(table.group([make_run("failed", n=n) for n in (2, 3)]), "test_acc", tmp_path) == []


def sweep_of(layers: str, seeds: int, monkeypatch: pytest.MonkeyPatch, folder: Path) -> dict[str, Figure]:
    """Draw a sweep over layer types, n and seeds; return the figures by the names of their files."""
    drawn: dict[str, Figure] = {}
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **_: drawn.update({path.name: figure}))
    settings = [(layer, n, seed) for layer in layers.split() for n in (2, 3) for seed in range(seeds)]
    common = {"dataset": "cifar10", "model_name": "resnet18"}
    runs = []
    for layer, n, seed in settings:
        choices = {"choices": common | {"layer_type": layer}, "n": n, "seed": seed, "max_epochs": 30}
        costs = {"parameters": 1e6 * (1 if layer == "standard" else n), "macs": 5e8}
        metrics = {"status": "finished", "test_acc": 0.5 + n / 10 + seed / 100} | costs
        runs.append(Run(folder / f"{layer}{n}{seed}", choices, ("layer_type", "n"), metrics))
    plot.write_plots(table.group(runs), "test_acc", folder)
    return drawn


@pytest.mark.parametrize("seeds", [1, 3])
def test_a_plot_says_what_it_shows(seeds: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    drawn = sweep_of("standard polynomial2d", seeds, monkeypatch, tmp_path)
    assert set(drawn) == {"results_n.png", "results_parameters.png"}
    (axes,) = drawn["results_n.png"].axes
    assert axes.get_title("left").startswith("cifar10 · resnet18 · 30 epochs")
    assert ("3 seeds" in axes.get_title("left")) == (seeds == 3)
    assert axes.get_ylabel() == "test accuracy (%)"
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["standard", "polynomial2d"]
    bars = [len(container.lines[2]) for container in axes.containers if isinstance(container, ErrorbarContainer)]
    assert bars == [int(seeds > 1)] * 2  # no bars of nothing


def test_the_metric_is_drawn_against_what_it_costs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (axes,) = sweep_of("standard polynomial2d", 1, monkeypatch, tmp_path)["results_parameters.png"].axes
    assert axes.get_xlabel() == "parameters"
    assert {text.get_text() for text in axes.texts} == {f"{kind} n={n}" for kind in ("standard", "polynomial2d")
                                                        for n in (2, 3)}  # fmt: skip


def test_names_of_close_points_cover_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    layers = "standard polynomial2d fourier2d continuous2d discontinuous2d"  # all of them at the same two places
    figure = sweep_of(layers, 1, monkeypatch, tmp_path)["results_parameters.png"]
    (axes,) = figure.axes
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == layers.split()
    renderer = figure.canvas.get_renderer()
    boxes = [text.get_window_extent(renderer) for text in axes.texts]
    assert {text.get_text() for text in axes.texts} <= {"n=2", "n=3"}
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))


def test_points_of_a_search_differ_by_more_than_colour(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(plot, "LINES", 0)
    (axes,) = sweep_of("standard polynomial2d", 1, monkeypatch, tmp_path)["results_n.png"].axes
    shapes = {points.get_paths()[0].vertices.tobytes() for points in axes.collections}
    assert len(shapes) == len(axes.collections) == 2


def test_ticks_of_a_logarithmic_axis_are_numbers() -> None:
    assert [plot._tick(value) for value in (1e-4, 0.3, 200, 11_173_962, 5.6e8)] == [
        "0.0001",
        "0.3",
        "200",
        "11.17M",
        "560M",
    ]


def test_top_5_is_an_accuracy() -> None:
    assert metric("val_acc5").percent
    assert not metric("val_loss").percent
    assert table.label("val_acc5") == "validation accuracy, top-5 (%)"
