"""Knobs without effect: on record, out of every comparison, and empty where runs are shown."""

from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from high_order_nets.config import compose
from high_order_nets.config.overrides import parse
from high_order_nets.errors import UserError
from high_order_nets.run.claims import check_same
from high_order_nets.run.folder import Run, read
from high_order_nets.settings import both_deciding, deciding, upgraded, validates
from high_order_nets.sweeps import plot, sweep, table
from tests.sweeps.tables import FIGURES, leave, make


def composed(line: str) -> dict[str, Any]:
    (job,) = compose.plan(parse(line.split())).jobs
    return job | {"command": "train"}


def three() -> list[Run]:
    better = FIGURES | {"test_acc": 0.625, "parameters": 2345}
    control = {"n": 2, "unread": ["n"]}
    return [make("0", **control), *(make(str(n), layer_type="polynomial2d", n=n, metrics=better) for n in (2, 3))]


def test_what_a_run_does_not_read_is_on_record() -> None:
    standard = composed("layer_type=standard n=2 augment=false dataset.augment.crop=2")
    assert {"n", "segments", "domain", "dataset.augment"} <= set(standard["unread"])
    run = Run(Path(), standard)
    assert [run.setting(key) for key in ("n", "dataset.augment.crop", "width")] == [None, None, 1.0]
    assert "n" not in deciding(standard)
    assert "augment" not in deciding(standard)["dataset"]
    assert "n" not in composed("n=2")["unread"]


def test_functions_that_are_not_shared_have_no_rate_and_no_decay() -> None:
    own = {"functions.lr", "functions.weight_decay"}
    assert own <= set(composed("functions.lr=0.5")["unread"])
    for line in ("sharing=channel", "pool_function=true functions.smoothness=0.1"):
        assert not own & set(composed(line)["unread"])
    deviation = "functions.deviation_decay"
    assert [deviation in composed(f"sharing={name}")["unread"] for name in ("channel", "deviation")] == [True, False]
    assert "functions" in composed("layer_type=standard functions.decay_by_degree=[1,4]")["unread"]
    assert own & set(composed("sharing=channel optimizer=lbfgs")["unread"]) == {"functions.weight_decay"}
    before = upgraded({key: value for key, value in composed("sharing=channel").items() if key != "functions"})
    with pytest.raises(UserError, match=r"functions\.weight_decay=null there and 0\.0 here"):
        check_same(before, composed("sharing=channel"), "here")
    check_same(before, composed("sharing=channel functions.weight_decay=null"), "here")
    check_same(before | {"sharing": "synapse"}, composed("n=3"), "here")


def test_what_is_in_force_under_debug_stays_on_record() -> None:
    job = composed("trainer=debug max_epochs=3 batch_size=64")
    assert [Run(Path(), job).setting(key) for key in ("max_epochs", "batch_size")] == [1, 16]


def test_what_one_run_does_not_read_makes_it_no_other_run() -> None:
    two, three = (composed(f"layer_type=standard n={n}") for n in (2, 3))
    older = {key: value for key, value in two.items() if key != "unread"}
    for before in (two, older):
        check_same(before, three, "here")
        assert sweep._changed(before, three) == ""
        one, other = both_deciding(before, three)
        assert one == other
    with pytest.raises(UserError, match="n=2 there and 3 here"):
        check_same(composed("n=2"), composed("n=3"), "here")
    assert sweep._changed(two, composed("n=3")) == "layer_type=standard (now polynomial2d)"


def test_the_table_is_empty_where_a_run_reads_nothing() -> None:
    rows = table.group(three())
    assert [row.settings["n"] for row in rows] == [None, 2, 3]
    assert [line[1] for line in table.cells(rows)[1]] == ["", "2", "3"]
    assert table.comma_separated(rows).splitlines()[1].startswith("standard,,1,")
    assert make(learning_rate=None).reads("learning_rate")  # null is a value


def test_a_knob_of_one_value_is_no_column() -> None:
    assert table.columns(three()[:2]) == ["layer_type"]


def test_a_run_without_a_record_is_shown_as_it_is() -> None:
    rows = table.group([make("0"), make("1", layer_type="polynomial2d", n=3)])
    assert [line[:2] for line in table.cells(rows)[1]] == [["standard", "2"], ["polynomial2d", "3"]]


@pytest.mark.parametrize(
    "line",
    ["layer_type=standard", "n=4", "layer_type=continuous2d segments=2", "layer_type=crelu", "optimizer=lbfgs"],
)
def test_runs_of_older_versions_stand_beside_newer_ones(line: str, tmp_path: Path) -> None:
    newer = composed(line)
    older = {key: value for key, value in newer.items() if key != "unread"} | {"seed": 2}
    for number, job in enumerate((newer, older)):
        leave(tmp_path / str(number), number, job, status="finished", test_acc=0.5)
    runs = read([tmp_path])
    assert [run.config["unread"] for run in runs] == [newer["unread"]] * 2
    (row,) = table.group(runs)
    assert row.values("test_acc") == [0.5, 0.5]
    leave(tmp_path / "other", 2, {"n": 3, "layer_type": "of long ago"}, status="finished")
    assert len(table.group(read([tmp_path]))) == 2


def test_a_setting_that_does_not_read_the_axis_is_a_level(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures: list[Figure] = []
    monkeypatch.setattr(plot, "_save", lambda figure, *_: figures.append(figure))
    rows = table.group(three())
    plot.write_plots(rows, "test_acc", tmp_path)
    assert plot.swept_numbers(rows) == ["n"]
    (axes,) = figures[0].axes
    lines = {str(line.get_label()): list(line.get_ydata()) for line in axes.lines}  # type: ignore[arg-type]
    assert lines["standard"] == [50.0, 50.0]
    assert axes.get_legend() is not None
    assert "standard" in [text.get_text() for text in figures[1].axes[0].texts]  # of the costs, without its n


def test_a_text_leaves_unread_what_is_of_images(tmp_path: Path) -> None:
    text = composed("dataset=sentences val_fraction=0.1 train_fraction=0.5 early_stopping=3")
    assert {"augment", "channels_last", "val_fraction", "dataset.vocabulary"} <= set(text["unread"])
    assert not {"train_fraction", "batch_size", "dataset.bptt"} & set(text["unread"])
    assert "val_fraction" not in composed("val_fraction=0.1")["unread"]
    assert "dataset.min_count" in composed("dataset=text dataset.tokenizer=bpe")["unread"]


def test_a_text_is_validated_on_its_own_split_but_a_file_on_a_part(tmp_path: Path) -> None:
    (tmp_path / "book.txt").touch()
    whole, file = (composed(f"dataset=text dataset.path={path}") for path in (tmp_path, tmp_path / "book.txt"))
    assert (validates(whole), validates(file)) == (True, False)
    assert validates(file | {"val_fraction": 0.1})
    assert validates(composed("dataset=sentences"))
    assert [{"val_fraction", "dataset.test_fraction"} <= set(job["unread"]) for job in (whole, file)] == [True, False]
    with pytest.raises(UserError, match="needs a validation split"):
        composed(f"dataset=text dataset.path={tmp_path / 'book.txt'} early_stopping=1")


def test_where_a_text_comes_from_makes_no_other_run() -> None:
    here, there = (composed(f"dataset=wikitext2 {line}") for line in ("", "dataset.urls=[https://a.org/x.zip]"))
    assert deciding(here) == deciding(there)
