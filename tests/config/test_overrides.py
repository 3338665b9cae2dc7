"""The command line as typed becomes the one that Hydra reads."""

from pathlib import Path

import pytest

from high_order_nets.config.overrides import literals, parse
from high_order_nets.errors import UserError, nearest


@pytest.mark.parametrize("argv", ["-m n=2 seed=1", "n=2 -m seed=1", "n=2 seed=1 -m", "n=2 seed=1 --multirun"])
def test_flags_stand_anywhere(argv: str) -> None:
    arguments = parse(argv.split())
    assert arguments.multirun
    assert arguments.overrides == ("n=2", "seed=1")


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("lr=0.1", "learning_rate=0.1"),
        ("lr=0.1,0.2", "learning_rate=0.1,0.2"),
        ("nonlinearity=False", "activation=none"),
        ("nonlinearity=true,False", "activation=keep,none"),
        ("run_dir=/a b", "hydra.run.dir='/a b'"),
        ("run_dir=/runs/epoch=3", "hydra.run.dir='/runs/epoch=3'"),
        ("text=Hello, world", "text='Hello, world'"),
        ("text=it's", r"text='it\'s'"),
        ("text=${oc.env:HOME}", r"text='\${oc.env:HOME}'"),
        ("ckpt=epoch=3.ckpt", "ckpt='epoch=3.ckpt'"),
        ("n=(3", "n='(3'"),
        ("scale=2.0", "scale=2.0"),
    ],
)
def test_rewriting(typed: str, read: str) -> None:
    assert parse([typed]).overrides == (read,)


def test_run_dir_is_the_sweeps_in_a_multirun_and_relative_to_the_current_folder() -> None:
    assert parse(["run_dir=x", "-m"]).overrides == (f"hydra.sweep.dir='{Path.cwd() / 'x'}'",)


def test_literals_have_no_grammar() -> None:
    assert literals(["text=a=b, ${c}", "path=~/x y"], ("text", "path")) == {"text": "a=b, ${c}", "path": "~/x y"}
    with pytest.raises(UserError, match="pth=x: unknown key pth; nearest valid name: path"):
        literals(["pth=x"], ("text", "path"))


def test_nearest_looks_within_the_group() -> None:
    assert nearest("a.momentun", ["momentum", "a.momentum", "b.momentum"]) == "; nearest valid name: a.momentum"
    assert nearest("x", []) == ""
