"""The options of `table`, each with what it refuses."""

import re
from pathlib import Path

import pytest

from high_order_nets.errors import UserError
from high_order_nets.run.folder import Run
from high_order_nets.sweeps.options import Options, check_names, keep, parse
from tests.sweeps.tables import make


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
    assert parse(["x", "top=1", "columns=Xn"]) == Options([Path("x")], top=1, columns=["Xn"])
    assert parse(["x", "where=a=b=c"]).where == [("a", "b=c")]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "table: expected folders of runs or sweeps"),
        (
            ["x", "sorted=n"],
            "sorted=n: expected folders or out=, sort=, top=, where=, columns=; nearest valid name: sort",
        ),
        (["x", "columns="], "columns=: expected one columns=VALUE"),
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
        ([("rate", "null")], "cd"),
        ([("rate", "None")], "cd"),
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
    assert message.endswith(nearest)


def test_of_runs_without_groups_a_key_that_none_has_is_told() -> None:
    with pytest.raises(UserError, match=r"^where=m=3: no run has m$"):
        keep([Run(Path("a"), {"n": 2}), Run(Path("left no config"))], [("m", "3")])


def test_at_most_twelve_values_are_named() -> None:
    runs = [make(str(n), n=n) for n in range(14)]
    with pytest.raises(UserError, match=r"n is 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11(;|$)"):
        keep(runs, [("n", "99")])


def test_names_of_columns() -> None:
    check_names("sort", ["n", "m"], ["m", "n"])
    with pytest.raises(UserError, match=r"^sort=x: no such column; expected aaaa, bbbb"):
        check_names("sort", ["aaaa", "x"], ["aaaa", "bbbb"])
