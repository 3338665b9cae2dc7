"""A run's settings: one walk through nests, and what an older version's config is taken with."""

import logging
from pathlib import Path

import pytest
import torch
import yaml

from high_order_nets import cli, settings
from high_order_nets.paths import conf_dir
from high_order_nets.run.checkpoints import read_checkpoint
from high_order_nets.run.claims import check_same
from high_order_nets.run.folder import config_of
from high_order_nets.settings import flat, upgraded, walk
from tests.experiments import composed

OLD = Path(__file__).parent / "fixtures" / "run-0.1"


def old() -> dict:
    return yaml.safe_load((OLD / "config.yaml").read_text(encoding="utf-8"))


def test_a_walk_names_nests_before_what_is_in_them() -> None:
    config = {"n": 3, "dataset": {"augment": {"crop": 1}, "name": "x"}, "skip": [], "none": {}}
    names = ["n", "dataset", "dataset.augment", "dataset.augment.crop", "dataset.name", "skip", "none"]
    assert [key for key, _ in walk(config)] == names
    assert flat(config) == {"n": 3, "dataset.augment.crop": 1, "dataset.name": "x", "skip": []}


def test_a_run_of_version_0_1_has_every_knob_of_today() -> None:
    """A new knob of a group needs a line in settings.NEWER: what runs did before there was one."""
    now = composed(
        "model_name=simple", "refine.epochs=[2]", "refine.n=[3]", "val_fraction=0.2", "n=2", "dataset=digits"
    )
    assert {key for key, _ in walk(now)} - {key for key, _ in walk(upgraded(old()))} <= {"unread"}


@pytest.mark.parametrize("name", settings.NEWER_BLOCK)
def test_every_file_of_a_block_has_the_keys_that_older_runs_are_given(name: str) -> None:
    files = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in (conf_dir() / "block").glob("*.yaml")]
    keys = {key.removeprefix("block.") for key in settings.NEWER_BLOCK[name]}
    assert all(keys <= file.keys() for file in files if file["name"] == name)


def test_a_knob_that_a_config_lacks_is_taken_as_its_default(caplog: pytest.LogCaptureFixture) -> None:
    config = old()
    del config["label_smoothing"]
    with caplog.at_level(logging.INFO):
        found = upgraded(config, "ckpt=x")
    assert found["label_smoothing"] == 0.0
    assert found["plots"]["format"] == "png"  # which 0.1 did not have
    assert found["n"] == 2  # not today's default
    assert "ckpt=x: of an older version, taken with " in caplog.text
    assert " align=none " in caplog.text  # not today\'s default either
    assert " label_smoothing=0.0 " in caplog.text
    assert "plots.format=png" in caplog.text
    assert "format" not in config["plots"]
    check_same(found, upgraded(old()), "here")


def test_a_newer_knob_may_follow_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "NEWER", {"task.name": "classification", "task.loss": "${loss}"})
    assert upgraded(old() | {"loss": "mse"})["task"] == {"name": "classification", "loss": "mse"}
    assert upgraded(old() | {"task": {"name": "x"}})["task"] == {"name": "x", "loss": "cross_entropy"}


@pytest.mark.parametrize("config", [None, 0, [], {}, {"n": 3, "choices": {}}])
def test_what_is_none_of_ours_stays_as_it_is(config: object) -> None:
    assert upgraded(config) == config


def without(name: str, folder: Path) -> Path:
    """Make all that a run left lack a knob, as an older version would have left it."""
    for file in (folder / "checkpoints").glob("*.ckpt"):
        saved = torch.load(file, weights_only=True)
        del saved["config"][name]
        torch.save(saved, file)
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    del config[name]
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return folder


def test_a_run_that_lacks_a_knob_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["train", "trainer=cpu", "model_name=simple", "dataset=digits", "train_fraction=0.3", "plots.enabled=false"]
    line += [f"run_dir={tmp_path}", "scheduler=none"]
    assert cli.main([*line, "max_epochs=1"]) == 0
    without("label_smoothing", tmp_path)
    assert (
        config_of(tmp_path)["label_smoothing"]
        == read_checkpoint(tmp_path / "checkpoints/last.ckpt")["config"]["label_smoothing"]
        == 0
    )
    assert cli.main([*line, "max_epochs=2", "label_smoothing=0.1"]) == 2
    assert "label_smoothing=0.0 there and 0.1 here" in capsys.readouterr().err
    assert cli.main([*line, "max_epochs=2"]) == 0
    assert "of an older version, taken with label_smoothing=0.0" in (tmp_path / "train.log").read_text()
