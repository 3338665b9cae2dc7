"""What is kept of a run of a service."""

from pathlib import Path

import pytest

from high_order_nets.training.loggers.record import Record


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "loggers" / "x.jsonl"


def test_what_was_logged_is_not_fresh_in_the_next_attempt(file: Path) -> None:
    record = Record(file)
    assert record.read() is None
    record.begin("abc")
    record.note(["val/acc", "val/loss"], 4)
    record.note(["val/acc"], 9)
    again = Record(file)
    assert again.read() == "abc"
    assert again.fresh(["val/acc", "val/loss", "test/acc"], 9) == ["val/loss", "test/acc"]
    assert again.fresh(["val/acc", "val/loss"], 10) == ["val/acc", "val/loss"]
    assert len(file.read_text().splitlines()) == 3  # laid out anew, a line a figure


@pytest.mark.parametrize("cut", ['[9, ["val/a', "[9", "\x00\x00"])
def test_a_line_that_was_cut_off_is_left_out(file: Path, cut: str) -> None:
    record = Record(file)
    record.begin("abc")
    record.note(["val/acc"], 4)
    with file.open("a") as end:
        end.write(cut)
    again = Record(file)
    assert again.read() == "abc"
    again.note(["val/acc"], 9)
    last = Record(file)
    last.read()
    assert last.fresh(["val/acc"], 9) == []


def test_it_can_begin_anew(file: Path) -> None:
    record = Record(file)
    record.begin("abc")
    record.forget()
    assert Record(file).read() is None
