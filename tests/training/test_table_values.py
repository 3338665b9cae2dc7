"""Tables cell by cell: what is grouped, said, sorted, chosen, and laid out at which width."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from rich.table import Table

from high_order_nets.errors import UserError
from high_order_nets.training import sweep, table
from high_order_nets.training.runs import Run
from high_order_nets.training.table_options import Options, check_names, keep, parse
from high_order_nets.training.table_view import lay_out, wrapped

FIGURES = {"test_acc": 0.5, "test_acc5": 0.75, "val_acc": 0.25, "parameters": 1234, "macs": 56789, "seconds": 1234.56}


def make(
    name: str = "0", status: str = "finished", keys: tuple[str, ...] | None = ("layer_type", "n"), **config: Any
) -> Run:
    choices = {"layer_type": config.pop("layer_type", "standard")}
    metrics: dict[str, Any] = {"status": status} | (FIGURES if status == "finished" else {"error": "why"})
    metrics |= config.pop("metrics", {})
    return Run(Path(name), {"choices": choices, "n": 2, "seed": 1} | config, ("layer_type", "n"), metrics)


def two() -> list[table.Row]:
    better = FIGURES | {"test_acc": 0.625, "parameters": 2345}
    return table.group([make("0"), make("1", layer_type="fourier2d", n=3, metrics=better)])


# --- rows


def test_figures_of_a_row() -> None:
    runs = [make(str(seed), seed=seed, metrics={"test_acc": acc}) for seed, acc in enumerate((0.5, 0.6, 0.9))]
    (row,) = table.group([*runs, make("3", "failed", seed=3)])
    assert row.values("test_acc") == [0.5, 0.6, 0.9]
    assert row.mean("test_acc") == pytest.approx(2 / 3)
    assert row.deviation("test_acc") == pytest.approx((0.13 / 3) ** 0.5)  # squares 1/36, 1/225, 49/900 over 2
    assert row.status == "failed (seed 3)"
    assert table.percent(row, "test_acc") == "66.67 ± 20.82 (3)"
    (alone,) = table.group([make(metrics={"test_loss": float("nan"), "val_loss": "x"})])
    assert (alone.mean("test_loss"), alone.mean("val_loss"), alone.mean("gone")) == (None, None, None)
    assert (alone.deviation("test_acc"), alone.status) == (None, "finished")
    assert table.percent(alone, "gone") == ""
    assert table.percent(alone, "test_acc") == "50.00 (1)"


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
        ("status", "abcd"),
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
    rows = table.group(runs, ["layer_type", "n", "rate"])
    assert "".join(row.runs[0].folder.name for row in table.ordered(rows, key)) == order


# --- texts


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
    assert table.comma_separated([]).startswith("seeds,finished,test_acc,")


# --- layout


def layout(rows: list[table.Row], width: int | None, chosen: list[str] | None = None) -> list[Any]:
    """What is shown: of a table its headings, texts as they are."""
    parts = lay_out(rows, width, chosen)
    return [[str(column.header) for column in part.columns] if isinstance(part, Table) else part for part in parts]


ALL = ["layer_type", "n", "test_acc %", "test_acc5 %", "val_acc %", "parameters", "multiply-adds", "seconds"]
# 10, 1, 10, 11, 9, 10, 13 and 9 wide (cells of two rows), 8 gaps and an edge
WIDTH = sum((10, 1, 10, 11, 9, 10, 13, 7)) + 3 * 8 + 1
SAME = "in all rows: test_acc5 % 75.00 (1), val_acc % 25.00 (1), multiply-adds 56,789, seconds 1,234.6"


def test_all_columns_where_they_fit() -> None:
    for width in (None, WIDTH, 500):
        assert layout(two(), width) == [ALL]


def test_what_is_the_same_gives_way_first_from_the_right() -> None:
    shown = [*ALL[:-1]]
    assert layout(two(), WIDTH - 1) == [shown, "in all rows: seconds 1,234.6"]
    narrow = ["layer_type", "n", "test_acc %", "parameters"]
    fits = sum((10, 1, 10, 10)) + 3 * 4 + 1
    kept, *notes = layout(two(), fits)
    assert kept == narrow
    assert " ".join(note.strip() for note in notes) == SAME


def test_then_the_figures_of_least_use() -> None:
    kept, *notes = layout(two(), sum((10, 1, 10)) + 3 * 3 + 1)
    assert kept == ["layer_type", "n", "test_acc %"]
    said = " ".join(note.strip() for note in notes)
    assert said == f"{SAME} not shown for want of room: parameters (columns=… chooses)"
    alone = table.group([make()], [])  # one row: all its cells are the same in all rows, and stay
    for width, gone in ((39, 3), (38, 4)):
        kept, *notes = layout(alone, width)
        assert kept == ["test_acc %", "val_acc %", "parameters"] if gone == 3 else ["test_acc %", "parameters"]
        names = ", ".join(["test_acc5 %", "seconds", "multiply-adds", "val_acc %"][:gone])
        assert notes == wrapped(f"not shown for want of room: {names} (columns=… chooses)", width)


def test_then_a_block_a_row() -> None:
    (text,) = layout(two(), 30)
    first, second = text.split("\n\n")
    assert first.splitlines() == [
        "layer_type     standard",
        "n              2",
        "test_acc %     50.00 (1)",
        "test_acc5 %    75.00 (1)",
        "val_acc %      25.00 (1)",
        "parameters     1,234",
        "multiply-adds  56,789",
        "seconds        1,234.6",
        "status         finished",
    ]
    assert "fourier2d" in second
    (text,) = layout(two(), 23)
    assert text.splitlines()[:4] == ["layer_type     standard", "n              2", "test_acc %", "  50.00 (1)"]


def test_chosen_columns_are_all_shown() -> None:
    assert layout(two(), 25, ["n", "test_acc", "gone"]) == [["n", "test_acc %"]]
    assert layout(two(), None, ["status", "n"]) == [["status", "n"]]
    (text,) = layout(two(), 15, ["test_acc", "n"])
    assert text.startswith("test_acc %\n  50.00 (1)\nn           2")


def test_a_status_is_shown_where_not_all_finished_and_may_be_wrapped() -> None:
    rows = table.group([make("0"), make("1", "failed", seed=2)], [])
    (part,) = lay_out(rows, None)
    assert isinstance(part, Table)
    assert {str(column.header): column.justify for column in part.columns} == {
        **dict.fromkeys(table.HEADINGS.values(), "right"),
        "status": "left",
    }
    assert [column.no_wrap for column in part.columns] == [True] * 6 + [False]
    status = "failed (seed 2)"
    assert list(part.columns[-1].cells) == [status]
    width = sum(
        map(len, ("test_acc %", "test_acc5 %", "25.00 (1)", "parameters", "multiply-adds", "seconds", "failed"))
    )
    assert layout(rows, width + 3 * 7 + 1) == [[*table.HEADINGS.values(), "status"]]
    assert len(layout(rows, width + 3 * 7)) > 1


def test_texts_are_broken_between_words() -> None:
    assert wrapped("aaaa bb-bb", 9) == ["aaaa", "  bb-bb"]
    assert wrapped("aaaa bbbb", 8, "") == ["aaaa", "bbbb"]
    assert wrapped("aaaa bbbb", 9) == ["aaaa bbbb"]
    assert wrapped("aaaa bbbb", 8) == wrapped("aaaa bbbb", 1) == ["aaaa", "  bbbb"]
    assert wrapped("", 20) == [""]


# --- options


def test_options_are_read(tmp_path: Path) -> None:
    strange = tmp_path / "a=b"
    strange.mkdir()
    argv = [str(strange), "out/n=3", "~/x", "out=o", "where=n=3,status=failed", "where=k=v", "sort=-n", "top=12"]
    assert parse([*argv, "columns=[n,test_acc]"]) == Options(
        [strange, Path("out/n=3"), Path.home() / "x"],
        Path("o"),
        [("n", "3"), ("status", "failed"), ("k", "v")],
        "-n",
        12,
        ["n", "test_acc"],
    )
    assert parse(["x"]) == Options([Path("x")], None, [], None, None, None)
    assert parse(["x", "where=a=b=c"]).where == [("a", "b=c")]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "table: expected folders of runs or sweeps"),
        (
            ["x", "sorted=n"],
            "sorted=n: expected folders or out=, sort=, top=, where=, columns=; nearest valid name: sort",
        ),
        (["x", "top="], "top=: expected one top=VALUE"),
        (["x", "top=1", "top=2"], "top=2: expected one top=VALUE"),
        *((["x", f"top={bad}"], f"top={bad}: expected a whole number of at least 1") for bad in ("0", "-1", "²", "x")),
        *(
            (["x", f"where={bad}"], f"where={bad}: expected KEY=VALUE, such as where=status=finished or where=n=3")
            for bad in ("n", "=3", "n=")
        ),
    ],
)
def test_options_that_mean_nothing(argv: list[str], said: str) -> None:
    with pytest.raises(UserError, match=f"^{re.escape(said)}"):
        parse(argv)


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ([], "abcd"),
        ([("n", "2")], "a"),
        ([("n", "2.0")], "a"),
        ([("rate", "1e-3")], "ab"),
        ([("flag", "true")], "ac"),
        ([("flag", "True")], "ac"),
        ([("status", "finished"), ("rate", "0.001")], "a"),
        ([("status", "diverged")], ""),
        ([("layer_type", "standard"), ("n", "4")], "c"),
    ],
)
def test_conditions(where: list[tuple[str, str]], kept: str) -> None:
    assert "".join(run.folder.name for run in keep(four(), where)) == kept


def four() -> list[Run]:
    return [
        make("a", n=2, rate=0.001, flag=True),
        make("b", "failed", n=3, rate=0.001, flag=False),
        make("c", n=4, rate=None, flag=True),
        make("d", n="x", rate=None, flag=1),
    ]


@pytest.mark.parametrize(
    ("where", "said"),
    [
        (("m", "3"), "where=m=3: no run has m"),
        (("layer_typ", "3"), "where=layer_typ=3: no run has layer_typ; nearest valid name: layer_type"),
        (("statu", "3"), "where=statu=3: no run has statu; nearest valid name: status"),
        (("n", "7"), "where=n=7: no run has it; n is 2, 3, 4, x"),
        (("rate", "x"), "where=rate=x: no run has it; rate is 0.001"),
        (("status", "finishd"), "where=status=finishd: no run has it; status is finished, failed; nearest"),
        (("n", "finished"), "where=n=finished: no run has it; n is 2, 3, 4, x"),
    ],
)
def test_conditions_that_no_run_meets(where: tuple[str, str], said: str) -> None:
    with pytest.raises(UserError) as raised:
        keep(four(), [where])
    message, nearest = str(raised.value), said.partition("; nearest valid name: ")[2]
    assert message.startswith(said.partition("; nearest")[0])
    assert nearest in message


def test_at_most_twelve_values_are_named() -> None:
    runs = [make(str(n), n=n) for n in range(14)]
    with pytest.raises(UserError, match=r"n is 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11(;|$)"):
        keep(runs, [("n", "99")])


def test_names_of_columns() -> None:
    check_names("sort", ["n", "m"], ["m", "n"])
    with pytest.raises(UserError, match=r"^sort=x: no such column; expected aaaa, bbbb"):
        check_names("sort", ["aaaa", "x"], ["aaaa", "bbbb"])


# --- sweeps


def job(n: int, **config: Any) -> dict[str, Any]:
    return {"n": n, "choices": {"optimizer": "sgd"}, "optimizer": {"momentum": 0.9}, "max_epochs": 3} | config


def leave(folder: Path, number: int, config: dict[str, Any], **metrics: Any) -> None:
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "hydra.yaml").write_text(json.dumps({"hydra": {"job": {"num": number}}}))
    (folder / "config.yaml").write_text(json.dumps(config))
    (folder / "metrics.json").write_text(json.dumps(metrics))


def test_a_sweep_is_claimed_by_its_jobs(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "sweep"
    sweep.claim(folder, [job(2), job(3)], "first")
    written = json.loads((folder / "sweep.json").read_text())
    assert written == {"command": "first", "jobs": [job(n, command="first") for n in (2, 3)]}
    leave(folder / "1", 1, job(3))
    sweep.claim(folder, [job(2)], "shorter")
    assert [each["n"] for each in json.loads((folder / "sweep.json").read_text())["jobs"]] == [2, 3]
    sweep.claim(folder, [job(9), job(3, max_epochs=5, root="elsewhere")], "the first has left nothing")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"n": 5}, "n=3 (now 5)"),
        ({"n": 5, "optimizer": {"momentum": 0.5}}, "n=3 (now 5)"),
        ({"optimizer": {"momentum": 0.5}}, "optimizer.momentum=0.9 (now 0.5)"),
        ({"choices": {"optimizer": "lion"}, "optimizer": {"betas": 1}}, "optimizer=sgd (now lion)"),
        ({"a": True, "b": 1, "n": 5, "c": 1}, "n=3 (now 5), a=null (now true), b=null (now 1)"),
    ],
)
def test_another_job_is_refused(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    leave(tmp_path / "x", 1, job(3))  # without a plan by its own config
    message = (
        f"{tmp_path / 'x'}: holds another job, with {said}; name another folder by run_dir=…, "
        "and show both by: high-order-nets table DIR DIR"
    )
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        sweep.claim(tmp_path, [job(2), job(3) | changes], "c")
    assert not (tmp_path / "sweep.json").exists()
    (tmp_path / "sweep.json").write_text(json.dumps({"jobs": [job(2), job(4)]}))
    with pytest.raises(UserError, match=r"with n=4 \(now 3\)"):
        sweep.claim(tmp_path, [job(2), job(3)], "c")


@pytest.mark.parametrize(("metric", "order"), [("test_acc", "bac"), ("test_loss", "acb")])
def test_a_search_shows_its_best_first(
    metric: str, order: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, (name, value) in enumerate((("a", 0.5), ("b", 0.9), ("c", None))):
        metrics = {} if value is None else {"test_acc": value, "test_loss": value}
        status = "pruned" if value is None else "finished"
        config = {"choices": {}, "n": name, "seed": 1}
        leave(tmp_path / name, number, config, status=status, **metrics)
    expected = order if metric == "test_acc" else "abc"
    assert sweep.report(tmp_path, metric, best_first=True) is True
    shown = capsys.readouterr().out
    assert re.sub(r"[^abc]", "", "".join(re.findall(r"│ ([abc]) ", shown))) == expected
    assert (tmp_path / "results.csv").exists()
    leave(tmp_path / "d", 3, {"n": "d"}, status="failed", error="why")
    assert sweep.report(tmp_path) is False
    shown = capsys.readouterr().out
    assert f"{tmp_path / 'd'}: failed: why" in shown
    assert f"in {tmp_path}: results.csv, results.md" in shown
    assert shown.startswith(f"{tmp_path}\n")


def test_a_table_of_runs_as_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, n in enumerate((2, 3, 4)):
        config = {"choices": {"norm": "none"}, "n": n, "seed": 1, "rate": 0.1}
        leave(tmp_path / str(n), number, config, status="finished", test_acc=n / 10)
    folders = [tmp_path / "2", tmp_path / "3", tmp_path / "4"]
    out = tmp_path / "o" / "p"
    options = Options(folders, out, [("n", "4")], None, None, ["rate", "norm", "test_acc"])
    sweep.rebuild(options)
    shown = capsys.readouterr().out
    assert re.search(r"┃ rate ┃ norm ┃ test_acc % ┃", shown)
    assert re.search(r"│ 0\.1  │ none │ +40\.00 \(1\) │", shown)
    assert "30.00" not in shown
    assert shown.startswith(" ".join(map(str, folders)))
    assert {"results.csv", "results.md"} <= {path.name for path in out.iterdir()}
    sweep.rebuild(Options([tmp_path], None, [], "-n", 2))
    assert re.findall(r"(\d0\.00) \(1\)", capsys.readouterr().out) == ["40.00", "30.00"]
    for options in (Options([tmp_path], sort="x"), Options([tmp_path], columns=["x"])):
        option = "sort" if options.sort else "columns"
        with pytest.raises(UserError, match=rf"^{option}=x: no such column; expected n, .*test_acc, .*status"):
            sweep.rebuild(options)
    for key in ("-status", "status", "rate", "-rate"):
        sweep.rebuild(Options([tmp_path], sort=key, columns=["status"]))


def test_a_folder_without_runs_is_told(tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    message = f"{folders[0]} {folders[1]}: no runs there; expected folders with metrics.json at any depth"
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        sweep.rebuild(Options(folders))
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file/x: the folder cannot be written: Not a directory$"):
        sweep.make_folder(tmp_path / "file" / "x")
