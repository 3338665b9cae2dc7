"""The files of conf/dataset/: what they share stands once, and they compose to what they were."""

from pathlib import Path
from typing import Any

import pytest

from high_order_nets import cli
from high_order_nets.config.catalogue import choices_of, group_knobs
from high_order_nets.paths import conf_dir
from tests.experiments import composed, write_images

SHARED = {"kind": "images", "subset": "random", "normalize": "interval", "interval": 4.0, "image_size": None}
OFF: dict[str, Any] = {"crop": 0, "flip": False, "rotation": 0.0, "cutout": 0}
AUGMENT: dict[str, dict[str, Any]] = {
    "cifar10": OFF | {"crop": 4, "flip": True, "rotation": 15.0},
    "cifar100": OFF | {"crop": 4, "flip": True, "rotation": 15.0},
    "digits": OFF | {"crop": 1, "rotation": 10.0},
    "mnist": OFF | {"crop": 2, "rotation": 15.0},
    "mine": OFF,
}
"""As every file of its own had it, and a data set without a file."""
POINTS = ("function", "table")


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HIGH_ORDER_NETS_DATA", str(tmp_path))
    write_images(tmp_path, "mine", 2, 1, 8)
    return tmp_path


@pytest.mark.parametrize("name", AUGMENT)
def test_every_data_set_composes_to_what_it_was(name: str, root: Path) -> None:
    expected = SHARED | {"name": name, "root": str(root), "augment": AUGMENT[name]}
    config = composed(f"dataset={name}")
    assert config["dataset"] == expected
    assert config["choices"]["dataset"] == name


def test_every_data_set_is_compared() -> None:
    assert choices_of("dataset") == sorted([*AUGMENT, *POINTS])
    assert {file.stem for file in (conf_dir() / "dataset").glob("*.yaml")} == {*AUGMENT, *POINTS} - {"mine"}


def test_help_knows_the_knobs_that_files_share() -> None:
    knobs = {knob.key: knob for knob in group_knobs("dataset")}
    augment = [f"dataset.augment.{key}" for key in OFF]
    shared = [f"dataset.{key}" for key in ("root", "subset", "normalize", "interval", "image_size")] + augment
    assert list(knobs)[: len(shared)] == shared
    assert all(knob.meaning for knob in knobs.values())
    of_images = ", ".join(sorted(AUGMENT.keys() - {"mine"}))
    assert all(
        knobs[key].section == of_images for key in shared if key not in ("dataset.normalize", "dataset.interval")
    )
    assert knobs["dataset.augment.crop"].default == "4|1|2"
    assert knobs["dataset.augment.cutout"].default == "0"


@pytest.mark.parametrize("line", ["dataset=base/images", "dataset=base", "dataset.kind=text"])
def test_what_files_share_is_no_choice(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", line]) == 2
    assert capsys.readouterr().err.startswith(f"high-order-nets: {line}: ")
