"""runs: what runs were asked for and measured, as a table of pandas."""

import sys
from pathlib import Path

import pytest

from high_order_nets import runs
from high_order_nets.errors import UserError
from tests.run.folders import CONFIG, write


def test_a_row_a_run_with_what_differs_and_all_figures(tmp_path: Path) -> None:
    choices = {"choices": {"layer_type": "polynomial2d", "optimizer": "sgd"}}
    other = {"choices": {"layer_type": "standard", "optimizer": "sgd"}}
    write(tmp_path / "a", CONFIG | choices, {"status": "finished", "test_acc": 0.5})
    write(tmp_path / "b", CONFIG | other | {"n": 5, "resume": "never"}, {"status": "diverged", "error": "nan"})
    write(tmp_path / "c", CONFIG | choices)
    table = runs(tmp_path)
    assert list(table.columns) == ["folder", "status", "layer_type", "n", "test_acc", "error"]
    assert [Path(folder).name for folder in table["folder"]] == ["a", "b", "c"]
    assert list(table["status"]) == ["finished", "diverged", "unfinished"]
    assert list(table["layer_type"]) == ["polynomial2d", "standard", "polynomial2d"]
    assert list(table["n"]) == [3, 5, 3]
    assert next(iter(table["test_acc"])) == 0.5
    assert table["test_acc"].isna().tolist() == [False, True, True]


def test_bad_input_is_said_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="no such folder"):
        runs(tmp_path / "none")
    assert runs(tmp_path).empty
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UserError, match="pip install pandas"):
        runs(tmp_path)
