"""What may be said of loggers and of where a run is trained."""

from pathlib import Path

import pytest
import yaml

from high_order_nets import cli
from high_order_nets.config import compose, places
from high_order_nets.config.catalogue import files_of
from high_order_nets.config.overrides import parse
from high_order_nets.errors import UserError
from high_order_nets.settings import both_deciding, is_unread
from high_order_nets.training.loggers.factory import LOGGERS
from tests.experiments import composed
from tests.runner import Runner


@pytest.mark.parametrize(
    ("words", "loggers"),
    [
        ([], ["tensorboard"]),
        (["logger=csv"], ["csv"]),
        (["logger=[csv]"], ["csv"]),
        (["logger=[tensorboard,csv]"], ["tensorboard", "csv"]),
        (["logger=none"], []),
        (["logger=null"], []),
        (["logger=[]"], []),
        (["logger=[null]"], []),
        (["experiment=cifar100_cpu", "logger=[csv]"], ["csv"]),
        (["experiment=cifar100_cpu", "logger=null"], []),
    ],
)
def test_spellings(words: list[str], loggers: list[str]) -> None:
    config = composed(*words)
    assert list(config["logger"]) == loggers
    assert config["choices"]["logger"] == ("+".join(loggers) or "none")


def test_every_logger_has_a_file_of_its_name() -> None:
    found = {file.stem: yaml.safe_load(file.read_text(encoding="utf-8")) for file in files_of("logger")}
    assert found.pop("none") == {}
    assert {name: list(node) for name, node in found.items()} == {name: [name] for name in LOGGERS}


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("logger=tensorbord", "logger=tensorbord: unknown logger; nearest valid name: tensorboard"),
        ("logger=[csv,mlfow]", "logger=mlfow: unknown logger; nearest valid name: mlflow"),
        ("logger=csv,tensorboard", "several values need the flag -m"),
        ("logger.wandb.project=x", "unknown key logger.wandb.project"),
        ("optimizer=[adam]", "unknown optimizer"),
        ("trainer.num_nodes=0", "trainer.num_nodes=0: expected a whole number of at least 1 or one of auto"),
    ],
)
def test_refusals(word: str, message: str) -> None:
    with pytest.raises(UserError) as refused:
        composed(word)
    assert message in str(refused.value)


@pytest.mark.parametrize("name", places.PACKAGES)
def test_a_logger_that_is_not_installed_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "find_spec", lambda _name: None)
    with pytest.raises(UserError, match=f'logger={name}: not installed; .* pip install "high-order-nets\\[{name}\\]"'):
        composed(f"logger=[csv,{name}]")
    assert composed("logger=csv")


def test_a_folder_of_its_name_is_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "no_such_logger").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert not places._is_installed("no_such_logger")


def test_a_sweep_of_loggers_runs_each_and_none_makes_another_result(runner: Runner, tmp_path: Path) -> None:
    line = ["-m", "logger=csv,[tensorboard,csv],null", f"run_dir={tmp_path}"]
    assert cli.main(["train", *line]) == 0
    assert [list(config["logger"]) for config in runner.configs] == [["csv"], ["tensorboard", "csv"], []]
    one, other = both_deciding(runner.configs[0], runner.configs[1])
    assert one == other
    assert not compose.plan(parse(line)).notes
    assert cli.main(["train", *line[:1], "logger=tensorboard,csv,null", *line[2:]]) == 0  # goes on in the same folders


def test_loggers_are_read(runner: Runner, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "logger=csv", f"run_dir={tmp_path}"]) == 0
    assert not is_unread(runner.configs[0], "logger")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "words",
    [
        "optimizer=lbfgs",
        "optimizer=adahessian",
        "layer_by_layer=true",
        "refine.epochs=[1] refine.n=[4]",
        "scale=auto",
        "clamp_weights=1.0",
        "measure.degree=4",
        "compile=true",
        "precision=64-true",
    ],
)
def test_what_needs_a_whole_network_does_not_go_with_fsdp(words: str) -> None:
    with pytest.raises(UserError, match="does not go with trainer=fsdp; take trainer=ddp"):
        composed("trainer=fsdp", *words.split())
