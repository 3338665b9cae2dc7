"""Multiruns from the command line: failing jobs, the table at the end, and running again only what is missing."""

import csv
import json
from pathlib import Path

import pytest

from high_order_nets import cli
from high_order_nets.config import compose
from high_order_nets.errors import Interrupted
from tests.runner import FAILURES, Runner

Captured = pytest.CaptureFixture[str]


def rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if line.startswith("│")]


def sweep(folder: Path, *argv: str) -> int:
    return cli.main(["train", "-m", *argv, f"run_dir={folder}"])


def test_a_multirun_goes_on_past_failing_jobs(runner: Runner, tmp_path: Path, capsys: Captured) -> None:
    assert sweep(tmp_path, "seed=70,71,72,1", "n=2") == 1
    assert [config["seed"] for config in runner.configs] == [70, 71, 72, 1]
    out, err = capsys.readouterr()
    assert err.count("Traceback") == 1  # of the unexpected error
    assert "loss is nan at step 7" in err
    status = "diverged (seed 70), failed (seed 71), failed (seed 72)"
    assert rows(out) == [["50.00 (1)", "75.00 (1)", "1,234,567", "1.2", status]]
    assert f"{tmp_path / '0'}: diverged: loss is nan at step 7" in out
    assert f"{tmp_path / '2'}: failed: ValueError: a bug" in out


def test_one_row_a_setting_in_all_three_forms(runner: Runner, tmp_path: Path, capsys: Captured) -> None:
    assert sweep(tmp_path, "n=2,3", "seed=1,2") == 0
    shown = rows(capsys.readouterr().out)
    assert [row[:2] for row in shown] == [["2", "50.00 ± 0.00 (2)"], ["3", "50.00 ± 0.00 (2)"]]
    table = (tmp_path / "results.md").read_text().splitlines()
    assert table[0] == "| n | test_acc % | test_acc5 % | parameters | seconds | status |"
    assert len(table) == 4
    with (tmp_path / "results.csv").open() as file:
        kept = list(csv.DictReader(file))
    assert [row["seeds"] for row in kept] == ["1 2"] * 2
    assert {(row["test_acc"], row["test_acc_sd"], row["finished"]) for row in kept} == {("0.5", "0", "2")}
    assert kept[1]["folders"] == "2 3"
    assert (tmp_path / "results_n.png").read_bytes().startswith(b"\x89PNG")


def test_a_sweep_run_again_runs_what_is_missing(
    runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    assert sweep(tmp_path, "seed=1,70,72") == 1
    monkeypatch.setattr("tests.runner.FAILURES", {})
    runner.configs.clear()
    assert sweep(tmp_path, "seed=1,70,72") == 0
    assert [config["seed"] for config in runner.configs] == [70, 72]
    assert "50.00 ± 0.00 (3)" in capsys.readouterr().out


@pytest.mark.parametrize(
    "signal", [pytest.param(KeyboardInterrupt(), marks=pytest.mark.slow), Interrupted(2)], ids=repr
)
def test_an_interrupted_sweep_shows_its_table_and_goes_on(
    signal: BaseException, runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setitem(FAILURES, 2, signal)
    assert sweep(tmp_path, "seed=1,2,3") == 130
    assert rows(capsys.readouterr().out)[0][-1] == "unfinished (seed 2), missing (seed 3)"
    monkeypatch.delitem(FAILURES, 2)
    assert sweep(tmp_path, "seed=1,2,3") == 0
    assert [config["seed"] for config in runner.configs] == [1, 2, 2, 3]


def test_more_values_at_the_end_are_more_jobs(runner: Runner, tmp_path: Path) -> None:
    assert sweep(tmp_path, "n=2") == 0
    assert sweep(tmp_path, "n=2,3") == 0
    assert [config["n"] for config in runner.configs] == [2, 3]
    assert sweep(tmp_path, "n=2") == 0
    assert len((tmp_path / "results.csv").read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ("n=3,2", "n=2 (now 3)"),
        ("n=2 layer_type=fourier scale=2", "layer_type=polynomial2d (now fourier), scale=4.0 (now 2)"),
        ("n=2 optimizer.momentum=0.5", "optimizer.momentum=0.9 (now 0.5)"),
    ],
)
def test_another_job_in_the_folder_is_an_error(
    argv: str, said: str, runner: Runner, tmp_path: Path, capsys: Captured
) -> None:
    assert sweep(tmp_path, "n=2") == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert sweep(tmp_path, *argv.split()) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert f"{tmp_path / '0'}: holds another job, with {said};" in err
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert len(runner.configs) == 1


def test_a_folder_that_cannot_be_is_one_line(runner: Runner, capsys: Captured) -> None:
    assert sweep(Path("/dev/null/x"), "n=2") == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "/dev/null/x" in err


def test_what_does_not_decide_over_the_result_may_change(runner: Runner, tmp_path: Path) -> None:
    assert sweep(tmp_path, "n=2") == 0
    assert sweep(tmp_path, "n=2", "num_workers=1", "dataset.root=/elsewhere") == 0
    assert len(runner.configs) == 1


def test_jobs_of_an_unknown_sweep_are_compared_by_their_configs(runner: Runner, tmp_path: Path) -> None:
    assert sweep(tmp_path, "n=2") == 0
    (tmp_path / "sweep.json").unlink()
    assert sweep(tmp_path, "n=4") == 2
    assert sweep(tmp_path, "n=2") == 0
    assert len(runner.configs) == 1


def test_jobs_are_found_under_names_of_their_own(runner: Runner, tmp_path: Path) -> None:
    named = "hydra.sweep.subdir=n-${n}"
    assert sweep(tmp_path, "n=2", named) == 0
    assert sweep(tmp_path, "n=2", named) == 0
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["n-2"]
    assert len(runner.configs) == 1


def test_the_table_of_any_folders(runner: Runner, tmp_path: Path, capsys: Captured) -> None:
    assert sweep(tmp_path / "sweep", "n=2,3") == 0
    assert cli.main(["train", f"run_dir={tmp_path / 'run'}", "seed=3"]) == 0
    assert cli.main(["train", f"run_dir={tmp_path / 'other'}", "domain=clamp", "seed=70"]) == 1
    capsys.readouterr()
    out = tmp_path / "all"
    assert cli.main(["table", str(tmp_path / "sweep" / "0"), str(tmp_path), f"out={out}"]) == 0
    assert [row[:3] for row in rows(capsys.readouterr().out)] == [
        ["clamp", "3", ""],
        ["tanh", "3", "50.00 ± 0.00 (2)"],  # n=3 is the default: the run by itself is the second seed
        ["tanh", "2", "50.00 (1)"],
    ]
    assert {path.name for path in out.iterdir()} == {"results.csv", "results.md", "results_n.png"}


def test_the_table_of_one_folder_is_shown_and_written_only_when_asked(runner: Runner, tmp_path: Path) -> None:
    assert sweep(tmp_path, "n=2") == 0
    before = (tmp_path / "results.csv").read_text()
    (tmp_path / "results.csv").unlink()
    assert cli.main(["table", str(tmp_path)]) == 0
    assert not (tmp_path / "results.csv").exists()
    assert cli.main(["table", str(tmp_path), f"out={tmp_path}"]) == 0
    assert (tmp_path / "results.csv").read_text() == before


@pytest.mark.parametrize("argv", ["", "out=x", "nosuch", ". out=a out=b"])
def test_the_table_refuses_in_one_line(argv: str, capsys: Captured) -> None:
    assert cli.main(["table", *argv.split()]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)


def test_the_table_of_nothing_is_refused(tmp_path: Path, capsys: Captured) -> None:
    assert cli.main(["table", str(tmp_path)]) == 2
    assert "no runs there" in capsys.readouterr().err


def test_damaged_files_cost_only_their_own_row(runner: Runner, tmp_path: Path, capsys: Captured) -> None:
    assert sweep(tmp_path, "n=2,3,4") == 0
    capsys.readouterr()
    (tmp_path / "0" / "metrics.json").write_text('{"status": "fini')
    (tmp_path / "1" / "metrics.json").write_text(json.dumps({"status": "finished", "test_acc": None}))
    assert cli.main(["table", str(tmp_path)]) == 0
    assert [row[-1] for row in rows(capsys.readouterr().out)] == ["unfinished", "finished", "finished"]


@pytest.mark.parametrize("name", ["joblib", "submitit_local", "ray"])
def test_a_launcher_that_is_not_there_names_its_extra(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setattr(compose.Checker, "options", lambda *_: ["basic"])
    assert sweep(Path("unused"), f"hydra/launcher={name}") == 2
    assert f'pip install "high-order-nets[{name.split("_", maxsplit=1)[0]}]"' in capsys.readouterr().err
