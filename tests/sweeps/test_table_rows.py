"""Tables cell by cell: what is one row, what it says, in which order."""

from pathlib import Path

import pytest

from high_order_nets.metrics import metric
from high_order_nets.run.folder import Run
from high_order_nets.sweeps import table
from tests.sweeps.tables import make, two


def test_figures_of_a_row() -> None:
    runs = [make(str(seed), seed=seed, metrics={"test_acc": acc}) for seed, acc in enumerate((0.5, 0.6, 0.9))]
    (row,) = table.group([*runs, make("3", "failed", seed=3)])
    assert row.values("test_acc") == [0.5, 0.6, 0.9]
    assert row.mean("test_acc") == pytest.approx(2 / 3)
    assert row.deviation("test_acc") == pytest.approx((0.13 / 3) ** 0.5)  # squares 1/36, 1/225, 49/900 over 2
    assert row.status == "failed (seed 3)"
    assert table.spread(row, "test_acc") == "66.67 ± 20.82 (3)"
    (alone,) = table.group([make(metrics={"test_loss": float("nan"), "val_loss": "x"})])
    assert (alone.mean("test_loss"), alone.mean("val_loss"), alone.mean("gone")) == (None, None, None)
    assert (alone.deviation("test_acc"), alone.status) == (None, "finished")
    assert table.spread(alone, "gone") == ""
    assert table.spread(alone, "test_acc") == "50.00 (1)"


def test_of_two_runs_with_one_seed_the_finished_counts() -> None:
    first, second = make("0", "failed"), make("1")
    for runs in ([first, second], [second, first]):
        assert [run.folder.name for row in table.group(runs) for run in row.runs] == ["1"]
    again = make("2", metrics={"test_acc": 0.9})
    assert [run.folder.name for row in table.group([second, again]) for run in row.runs] == ["2"]
    left_nothing = [Run(Path(name)) for name in ("a", "b")]
    assert len(table.group(left_nothing)) == 2


def test_columns_are_settings_that_differ() -> None:
    runs = [make("0"), make("1", n=3, layer_type="x", root="r", dataset={"root": "a", "name": "b"})]
    for keys in (("n", "layer_type", "seed", "root", "dataset.root", "n"), ("plots.enabled", "n", "layer_type")):
        assert table.columns([Run(run.folder, run.config, keys, run.metrics) for run in runs]) == ["n", "layer_type"]
    everything = [Run(run.folder, run.config, None, run.metrics) for run in runs]
    assert table.columns(everything) == ["layer_type", "n"]
    assert table.columns([*runs, Run(Path("missing"))]) == ["layer_type", "n"]
    bare = [Run(Path(str(n)), {"n": n}, None) for n in (1, 2)]
    assert table.columns(bare) == ["n"]
    assert [list(row.settings) for row in table.group(runs, ["n"])] == [["n"], ["n"]]
    named = ("seed", "checkpoint.every_n_steps", "optimizer.momentum")
    seeds = [make(str(k), seed=k, checkpoint={"every_n_steps": k}, optimizer={"momentum": k}) for k in (1, 2)]
    assert table.columns([Run(run.folder, run.config, named) for run in seeds]) == ["optimizer.momentum"]


def test_a_setting_is_what_it_says_not_how_it_is_written() -> None:
    first = Run(Path("0"), {"n": 2, "x": {"a": 1, "b": Path("p")}}, (), {"status": "finished"})
    second = Run(Path("1"), {"x": {"b": Path("p"), "a": 1}, "n": 2, "seed": 4}, (), {"status": "finished"})
    assert len(table.group([first, second])) == 1


@pytest.mark.parametrize(
    ("figure", "share", "label"),
    [
        ("test_acc", True, "test accuracy (%)"),
        ("best_val_acc5", True, "best val acc5 (%)"),
        ("val_loss", False, "val loss"),
        ("macs", False, "multiply-adds"),
        ("accuracy", False, "accuracy"),
    ],
)
def test_names_of_figures_for_people(figure: str, share: bool, label: str) -> None:
    assert (metric(figure).percent, table.label(figure)) == (share, label)


def test_what_went_wrong_is_a_line_each() -> None:
    runs = [make("a"), make("b", "pruned"), make("c", "failed"), Run(Path("d"))]
    assert table.failures(runs) == ["c: failed: why", "d: missing"]


@pytest.mark.parametrize(
    ("key", "order"),
    [
        ("n", "abcd"),
        ("-n", "cbad"),
        ("test_acc", "bacd"),
        ("-test_acc", "cabd"),
        ("parameters", "cabd"),
        ("-parameters", "bacd"),
        ("layer_type", "acbd"),
        ("status", "cdab"),
        ("-status", "abdc"),
        ("rate", "bacd"),
    ],
)
def test_rows_in_order(key: str, order: str) -> None:
    runs = [
        make("a", layer_type="a", n=9, metrics={"test_acc": 0.5, "parameters": 9}, rate="x"),
        make("b", layer_type="c", n=10, metrics={"test_acc": 0.9, "parameters": 10}, rate=0.5),
        make("c", layer_type="b", n=11, metrics={"test_acc": 0.1, "parameters": 1}, rate=None),
        make("d", "unfinished", layer_type="d", n=None),
    ]
    if key.endswith("status"):
        runs[2].metrics["status"] = "diverged"
        runs[3].metrics["status"] = "failed"
    rows = table.group(runs, ["layer_type", "n", "rate"])
    assert "".join(row.runs[0].folder.name for row in table.ordered(rows, key)) == order


def test_cells() -> None:
    header, body = table.cells(two())
    assert header == [
        *("layer_type", "n", "test_acc %", "test_acc5 %", "val_acc %"),
        *("parameters", "multiply-adds", "seconds", "status"),
    ]
    assert body[0] == ["standard", "2", "50.00 (1)", "75.00 (1)", "25.00 (1)", "1,234", "56,789", "1,234.6", "finished"]
    assert body[1][:3] == ["fourier2d", "3", "62.50 (1)"]
    rows = table.group([make("0", rate=0.123456789), make("1", "failed", rate=True)], ["rate"])
    assert [line[0] for line in table.cells(rows)[1]] == ["0.1235", "true"]
    assert table.cells(rows)[1][1] == ["true", *[""] * 6, "failed"]
    assert table.cells([]) == (["status"], [])


def test_markdown() -> None:
    rows = table.group([make("0", n="a|b"), make("1", "failed", n="c")], ["n"])
    for row in rows:
        for run in row.runs:
            for figure in ("test_acc5", "val_acc", "parameters", "macs", "seconds"):
                run.metrics.pop(figure, None)
    assert table.markdown(rows, []) == (
        "| n | test_acc % | status |\n| --- | --- | --- |\n| a\\|b | 50.00 (1) | finished |\n| c |  | failed |\n"
    )
    assert table.markdown(rows, ["x", "y"]).endswith("| c |  | failed |\n\n* x\n* y\n")


def test_comma_separated() -> None:
    runs = [make(str(seed), seed=seed, metrics={"test_acc": acc, "macs": 2.5}) for seed, acc in ((1, 0.5), (2, 1.0))]
    text = table.comma_separated(table.group([*runs, make("x", "failed", n=None, seed=4)], ["n"]))
    head, first, second = text.splitlines()
    metrics = ("test_acc", "test_acc5", "test_loss", "val_acc", "val_loss", "train_acc", "train_loss")
    assert head.split(",") == [
        *("n", "seeds", "finished", *(name for metric in metrics for name in (metric, f"{metric}_sd"))),
        *("parameters", "parameters_reduced", "macs", "seconds", "status", "folders"),
    ]
    values = ["0.75", "0.353553", "0.75", "0", "", "", "0.25", "0", *[""] * 6]
    assert first.split(",") == ["2", "1 2", "2", *values, "1234", "", "2.5", "1234.56", "finished", "1 2"]
    assert second.split(",") == ["null", "4", "0", *[""] * 18, "failed", "x"]
    assert text.endswith("failed,x\n")
    large = table.comma_separated(table.group([make(metrics={"parameters": 11_234_567, "macs": 2_345_678_901})]))
    assert ",11234567,,2345678901,1234.56," in large
    assert table.comma_separated([]).startswith("seeds,finished,test_acc,")
