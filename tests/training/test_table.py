"""Runs grouped to rows: mean and s.d., what becomes a column, the plots."""

import csv
import io
import statistics
from pathlib import Path
from typing import Any

import pytest

from high_order_nets.training import sweep_plot, table
from high_order_nets.training.runs import Run


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
    assert table.percent(row, "test_acc") == "61.67 ± 12.58 (3)"
    assert row.status == "finished"


def test_only_finished_runs_count() -> None:
    runs = [make_run(), make_run("diverged", seed=2), make_run("missing", seed=3)]
    (row,) = table.group(runs)
    assert table.percent(row, "test_acc") == "50.00 (1)"
    assert row.status == "diverged (seed 2), missing (seed 3)"
    assert [line.split(": ")[1] for line in table.failures(runs)] == ["diverged", "missing"]


def test_a_repeated_seed_is_no_new_sample() -> None:
    (row,) = table.group([make_run("failed"), make_run(), make_run()])
    assert table.percent(row, "test_acc") == "50.00 (1)"
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
    assert sweep_plot.swept_numbers(rows) == expected


def test_a_grid_is_drawn_as_lines_and_a_search_as_points(tmp_path: Path) -> None:
    grid = [make_run(keys=("n", "layer_type"), n=n, layer_type=layer) for layer in "ab" for n in (2, 3, 5)]
    lines = sweep_plot._lines(table.group(grid), "n")
    assert list(lines) == ["a", "b"]
    assert sweep_plot._is_grid(lines, "n")
    found = [make_run(keys=("n", "rate"), n=n, rate=n**0.5) for n in range(1, 20)]
    assert not sweep_plot._is_grid(sweep_plot._lines(table.group(found), "n"), "n")
    for runs in (grid, found):
        for file in sweep_plot.write_plots(table.group(runs), "test_acc", tmp_path):
            assert file.read_bytes().startswith(b"\x89PNG")
    assert {file.name for file in tmp_path.iterdir()} == {"results_n.png", "results_rate.png"}


def test_nothing_is_drawn_of_nothing(tmp_path: Path) -> None:
    assert sweep_plot.write_plots([], "test_acc", tmp_path) == []
    assert sweep_plot.write_plots(table.group([make_run("failed", n=n) for n in (2, 3)]), "test_acc", tmp_path) == []
