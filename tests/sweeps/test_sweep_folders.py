"""A sweep's folder: whose it is, and what is shown of it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from high_order_nets.errors import UserError
from high_order_nets.sweeps import sweep, table
from high_order_nets.sweeps.options import Options
from high_order_nets.sweeps.view import wrapped
from tests.sweeps.tables import FIGURES, leave


def job(n: int, **config: Any) -> dict[str, Any]:
    return {"n": n, "choices": {"optimizer": "sgd"}, "optimizer": {"momentum": 0.9}, "max_epochs": 3} | config


def test_a_sweep_is_claimed_by_its_jobs(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "sweep"
    sweep.claim(folder, [job(2), job(3)], "first")
    written = json.loads((folder / "sweep.json").read_text())
    assert written == {"command": "first", "jobs": [job(n, command="first") for n in (2, 3)]}
    leave(folder / "1", 1, job(3))
    sweep.claim(folder, [job(2)], "shorter")
    assert [each["n"] for each in json.loads((folder / "sweep.json").read_text())["jobs"]] == [2, 3]
    sweep.claim(folder, [job(9), job(3, max_epochs=5, root="elsewhere")], "the first has left nothing")


def test_a_plan_of_fewer_epochs_keeps_what_ran(tmp_path: Path) -> None:
    leave(tmp_path / "0", 0, job(2), status="finished")
    for epochs, kept in ((1, [3, 1]), (5, [5, 5])):
        sweep.claim(tmp_path, [job(2, max_epochs=epochs), job(3, max_epochs=epochs)], "c")
        assert [each["max_epochs"] for each in json.loads((tmp_path / "sweep.json").read_text())["jobs"]] == kept


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


def test_jobs_without_a_plan_or_groups_are_compared_by_their_knobs(tmp_path: Path) -> None:
    leave(tmp_path / "x", 0, {"n": 3})
    sweep.claim(tmp_path, [{"n": 3}], "the same")
    with pytest.raises(UserError, match=r"holds another job, with n=3 \(now 5\);"):
        sweep.claim(tmp_path, [{"n": 5}], "another")
    leave(tmp_path / "y", 1, {"n": 4})  # one more than were planned
    with pytest.raises(UserError, match=r"holds another job, with n=4 \(now 7\);"):
        sweep.claim(tmp_path, [{"n": 3}, {"n": 7}], "another")


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
    assert re.findall(r"│ ([abcd]) ", shown) == ["a", "b", "c", "d"]  # unless asked, in the order of the jobs
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
    sweep.rebuild(Options([tmp_path], where=[("status", "failed")]))  # none: a table without rows
    assert capsys.readouterr().out.startswith(f"{tmp_path}\n")
    for key in ("-status", "status", "rate", "-rate"):
        sweep.rebuild(Options([tmp_path], sort=key, columns=["status"]))


def test_what_is_shown_is_the_text_itself_within_the_console(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    folder = tmp_path / "[red]x:smile:"
    for number, n in enumerate(("[bold]a", "b")):
        config = {"choices": {}, "n": n, "seed": 1}
        leave(
            folder / n, number, config, status="finished" if n == "b" else "failed", **FIGURES, error="[x] " + "y " * 40
        )
    sweep.rebuild(Options([folder], columns=["n", "test_acc"]))
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines if " " in line) <= 60
    title = wrapped(f"'{folder}'", 60)
    assert len(title) > 1
    assert lines[: len(title)] == title
    assert "┃ n       ┃ test_acc % ┃" in lines
    assert "│ [bold]a │            │" in lines
    assert any("failed: [x] y y" in line for line in lines)
    sweep.rebuild(Options([folder], out=folder))
    shown = capsys.readouterr().out
    assert "┃ multiply-adds ┃" not in shown
    assert "… ┃" not in shown  # columns give way whole, none is cut
    assert f"\nin '{folder}': results.csv" in shown
    monkeypatch.delenv("COLUMNS")
    sweep.rebuild(Options([folder]))  # a pipe has no edge
    shown = capsys.readouterr().out
    assert "┃ multiply-adds ┃" in shown
    assert f"{folder / '[bold]a'}: failed: [x] {'y ' * 40}".rstrip() in shown


def test_colours_are_those_of_titles_and_problems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    leave(tmp_path / "0", 0, {"choices": {}, "n": 12, "seed": 1}, status="failed", error="12 'x'")
    sweep.rebuild(Options([tmp_path], out=tmp_path / "o1"))
    shown = capsys.readouterr().out
    assert f"\x1b[1m{tmp_path}\x1b[0m\n" in shown
    assert "\x1b[31m" + f"{tmp_path / '0'}: failed: 12 'x'" + "\x1b[0m\n" in shown
    assert f"in {tmp_path / 'o1'}: results.csv, results.md\n" in shown


def test_the_metric_asked_for_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def draw(rows: list[table.Row], metric: str, out: Path) -> list[Path]:
        asked.append((len(rows), metric, out))
        return []

    monkeypatch.setattr(sweep, "write_plots", draw)
    leave(tmp_path / "0", 0, {"choices": {}, "n": 1, "seed": 1}, status="failed", error="why")
    sweep.report(tmp_path)
    sweep.report(tmp_path, "val_loss")
    out = tmp_path / "out"
    sweep.rebuild(Options([tmp_path], out))
    assert asked == [(1, "test_acc", tmp_path), (1, "val_loss", tmp_path), (1, "test_acc", out)]
    assert (tmp_path / "results.md").read_text().endswith(f"\n\n* {tmp_path / '0'}: failed: why\n")


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
