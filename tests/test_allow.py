"""Who may be allowed, by whom, and how long."""

import pickle
from pathlib import Path

import pytest

from high_order_nets.allow import Allowance, allowed, allowing, carried, covers, flags, refusal, taken
from high_order_nets.errors import UserError

REFUSED = [
    *("os", "subprocess", "builtins", "sys", "pathlib", "importlib.machinery", "ctypes", "pickle"),
    *("torch", "torch.hub", "numpy", "hydra", "omegaconf", "yaml", "pytorch_lightning", "scipy", "sympy", "pip"),
    *("high_order_nets", "", "a b", "__main__", "mine.__init__", "../mine", "mine.", "mine;os", "*"),
]


@pytest.mark.parametrize("name", REFUSED)
def test_what_runs_anything_cannot_be_allowed(name: str) -> None:
    with pytest.raises(UserError, match="--allow"), allowing([name]):
        pass
    assert allowed() == ()


def test_what_is_not_there_is_said_at_once() -> None:
    with pytest.raises(UserError, match="--allow no_such_module: no package or module of that name"):
        Allowance.here(["no_such_module"]).granted().__enter__()


def test_an_allowance_covers_what_lies_below_and_ends_with_its_block(tmp_path: Path) -> None:
    (tmp_path / "allowed_here.py").write_text("raise SystemExit('imported')\n")
    with Allowance(("allowed_here",), str(tmp_path)).granted():  # imports nothing
        assert flags() == ["--allow", "allowed_here"]
        assert covers("allowed_here.Net")
        assert not any(map(covers, ("allowed_here", "allowed_herex.Net", "allowed_here.__loader__.x", "os.system", 3)))
    assert allowed() == ()
    assert not covers("allowed_here.Net")


@pytest.mark.parametrize(
    ("line", "words", "names"),
    [
        ("--allow mine train n=3", "train n=3", ["mine"]),
        ("train n=3 --allow=mine,yours", "train n=3", ["mine", "yours"]),
        ("test --allow mine ckpt=x --allow yours.net", "test ckpt=x", ["mine", "yours.net"]),
        ("train --allow", "train", [""]),
        ("predict text=--allow", "predict text=--allow", []),
    ],
)
def test_the_flag_stands_anywhere(line: str, words: str, names: list[str]) -> None:
    assert taken(line.split()) == (words.split(), names)


def test_it_travels_with_a_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "carried_along.py").touch()
    monkeypatch.chdir(tmp_path)
    with Allowance.here(["carried_along"]).granted():
        sent = pickle.dumps(carried(covers))
    assert not covers("carried_along.x")
    assert pickle.loads(sent)("carried_along.x")


def test_a_namesake_of_ones_own_may_be() -> None:
    assert refusal("mine") is None
    assert refusal("torchaudio_mine.net") is None
