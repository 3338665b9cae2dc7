"""Which columns a console of a given width shows, and what is said of the others."""

from typing import Any

from rich.table import Table

from high_order_nets.sweeps import table
from high_order_nets.sweeps.view import lay_out, wrapped
from tests.sweeps.tables import make, two


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
    for width in (WIDTH - 1, WIDTH - len("1,234.6") - 3):
        assert layout(two(), width) == [shown, "in all rows: seconds 1,234.6"]
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


def test_cells_may_be_wider_than_their_headings() -> None:
    rows = table.group([make("0", n="ten letters"), make("1", n="x")], ["n"])
    needed = len("ten letters") + sum((10, 11, 9, 10, 13, 7)) + 3 * 7 + 1
    assert layout(rows, needed) == [["n", *ALL[2:]]]
    assert layout(rows, needed - 1) == [["n", *ALL[2:-1]], "in all rows: seconds 1,234.6"]


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
    key = "a_long_name of_it"
    long = table.group([make(value, "finished", **{key: value}) for value in ("first", "second")], [key])
    assert layout(long, 15)[0].startswith("a_long_name\nof_it\n  first\n")
    (text,) = layout(two(), 23)
    assert text.splitlines()[:4] == ["layer_type     standard", "n              2", "test_acc %", "  50.00 (1)"]


def test_chosen_columns_are_all_shown() -> None:
    assert layout(two(), 25, ["n", "test_acc", "gone"]) == [["n", "test_acc %"]]
    assert layout(two(), None, ["status", "n"]) == [["status", "n"]]
    (text,) = layout(two(), 15, ["test_acc", "n"])
    assert text.startswith("test_acc %\n  50.00 (1)\nn           2")
    assert layout(table.group([make("0", "failed"), make("1", n=3)]), 12, ["test_acc"]) == [
        "\n\ntest_acc %\n  50.00 (1)"
    ]


def test_a_status_is_shown_where_not_all_finished_and_may_be_wrapped() -> None:
    rows = table.group([make("0"), make("1", "failed", seed=2)], [])
    (part,) = lay_out(rows, None)
    assert isinstance(part, Table)
    assert {str(column.header): column.justify for column in part.columns} == {
        **dict.fromkeys(table.headings(rows).values(), "right"),
        "status": "left",
    }
    assert [column.no_wrap for column in part.columns] == [True] * 6 + [False]
    status = "failed (seed 2)"
    assert list(part.columns[-1].cells) == [status]
    width = sum(
        map(len, ("test_acc %", "test_acc5 %", "25.00 (1)", "parameters", "multiply-adds", "seconds", "failed"))
    )
    assert layout(rows, width + 3 * 7 + 1) == [[*table.headings(rows).values(), "status"]]
    assert len(layout(rows, width + 3 * 7)) > 1


def test_texts_are_broken_between_words() -> None:
    assert wrapped("aaaa bb-bb", 9) == ["aaaa", "  bb-bb"]
    assert wrapped("aaaa bbbb", 8, "") == ["aaaa", "bbbb"]
    assert wrapped("aaaa bbbb", 9) == ["aaaa bbbb"]
    assert wrapped("aaaa bbbb", 8) == wrapped("aaaa bbbb", 1) == ["aaaa", "  bbbb"]
    assert wrapped("", 20) == [""]
