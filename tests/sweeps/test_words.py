"""Tags and notes: said of runs, shown in tables, and without any part in a result."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from high_order_nets.config.knobs import RULES
from high_order_nets.errors import UserError, show
from high_order_nets.run.claims import check_same
from high_order_nets.run.record import circumstances
from high_order_nets.settings import deciding
from high_order_nets.sweeps import sweep, table
from high_order_nets.sweeps.options import Options, keep, parse
from tests.experiments import composed
from tests.sweeps.tables import leave, make

SAID = [
    make("0", tags=["base", "small"], notes="a first, look"),
    make("1", seed=2, tags=["base", "late"], notes="a first, look"),
    make("2", n=3, tags=[], notes=None),
]


def test_a_row_shows_what_is_said_of_its_runs() -> None:
    rows = table.group(SAID)
    assert [(row.said("tags"), row.said("notes"), len(row.runs)) for row in rows] == [
        ("base, small, late", "a first, look", 2),  # one setting: they decide nothing
        ("", "", 1),
    ]
    header, body = table.cells(rows)
    assert header[:3] == ["n", "tags", "notes"]
    assert body[0][:3] == ["2", "base, small, late", "a first, look"]
    (first, _) = csv.DictReader(io.StringIO(table.comma_separated(rows)))
    assert (first["tags"], first["notes"], first["seeds"]) == ("base, small, late", "a first, look", "1 2")
    assert table.words(table.group(SAID[2:])) == []
    assert not {"tags", "notes"} & {*table.cells(table.group(SAID[2:]))[0]}


@pytest.mark.parametrize(("where", "kept"), [("base", "01"), ("late", "1"), ("[]", "2")])
def test_runs_are_chosen_by_a_tag(where: str, kept: str) -> None:
    assert "".join(run.folder.name for run in keep(SAID, [("tags", where)])) == kept


def test_a_tag_that_no_run_has() -> None:
    with pytest.raises(UserError, match=r"^where=tags=bas: no run has it; tags is base, small, late; nearest"):
        keep(SAID, [("tags", "bas")])


def test_columns_may_be_chosen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = {"choices": {}, "n": 2, "seed": 1, "tags": ["base"], "notes": None}
    leave(tmp_path / "0", 0, config, status="finished", test_acc=0.5)
    sweep.rebuild(parse([str(tmp_path), "columns=tags,test_acc"]))
    shown = capsys.readouterr().out
    assert "tags" in shown
    assert "base" in shown
    with pytest.raises(UserError, match=r"^columns=notes: no such column"):
        sweep.rebuild(Options([tmp_path], columns=["notes"]))


def test_they_are_recorded_and_decide_nothing() -> None:
    said = composed("dataset=digits", "tags=[base,small]", "notes=lr too high, I think")
    plain = said | {"tags": [], "notes": None}
    assert (said["tags"], said["notes"]) == (["base", "small"], "lr too high, I think")
    assert deciding(said) == deciding(plain)
    check_same(plain, said, "here")
    found = json.loads(json.dumps(circumstances(said)))
    assert (found["tags"], found["notes"]) == (["base", "small"], "lr too high, I think")
    assert not {"tags", "notes"} & {*circumstances(plain)}


@pytest.mark.parametrize("tags", ["base", [1], ["a,b"], [""], [{"a": 1}], None])
def test_what_is_no_list_of_words(tags: Any) -> None:
    said = f"tags={show(tags)}: expected a list of words without commas, such as [baseline,small]"
    with pytest.raises(UserError, match=f"^{re.escape(said)}$"):
        RULES["tags"].check("tags", tags)
