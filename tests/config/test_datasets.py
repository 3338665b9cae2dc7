"""The files of conf/dataset/: what they share stands once, and they compose to what they were."""

from pathlib import Path
from typing import Any

import pytest

from high_order_nets import cli
from high_order_nets.config.catalogue import choices_of, group_knobs
from high_order_nets.paths import conf_dir
from tests.experiments import composed, write_images

SHARED: dict[str, Any] = {"kind": "images", "split": "official", "subset": "random"}
SHARED |= {"normalize": "interval", "interval": 4.0, "image_size": None}
OFF: dict[str, Any] = {"crop": 0, "flip": False, "rotation": 0.0}
OFF |= {"policy": "none", "policy_ops": 2, "policy_magnitude": 9, "cutout": 0, "erasing": 0.0}
OFF |= {"mixup": 0.0, "cutmix": 0.0, "mix_probability": 1.0, "mix_until": 1.0}
AUGMENT: dict[str, dict[str, Any]] = {
    "cifar10": OFF | {"crop": 4, "flip": True, "rotation": 15.0},
    "cifar100": OFF | {"crop": 4, "flip": True, "rotation": 15.0},
    "digits": OFF | {"crop": 1, "rotation": 10.0},
    "mnist": OFF | {"crop": 2, "rotation": 15.0},
    "mine": OFF,
}
"""As every file of its own had it, and a data set without a file."""
OWN: dict[str, dict[str, Any]] = {"folder": {"root": None}, "csv": {"path": None}, "npz": {"path": None}}
"""One's own images: what they have beside what they share."""
SHARED_OWN: dict[str, Any] = {"channels": None, "test_fraction": 0.2, "skip_unreadable": False}
POINTS = ("function", "inviscid_burgers", "picture", "table")
TEXT = {"kind": "text", "bptt": 35, "stride": None, "tokenizer": "word", "vocabulary": 8192}
MIRROR = "https://wikitext.smerity.com/"
TEXTS: dict[str, dict[str, Any]] = {
    "sentences": {"name": "sentences"},
    "text": {"name": "text", "path": None, "test_fraction": 0.1, "min_count": 2},
    "wikitext": {"name": "wikitext2", "urls": [f"{MIRROR}wikitext-2-v1.zip"], "path": None},
    "wikitext2": {"name": "wikitext2", "urls": [f"{MIRROR}wikitext-2-v1.zip"], "path": None},
    "wikitext103": {"name": "wikitext103", "urls": [f"{MIRROR}wikitext-103-v1.zip"], "path": None},
}


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


@pytest.mark.parametrize("name", OWN)
def test_every_form_of_ones_own_images_composes(name: str, root: Path) -> None:
    expected = SHARED | SHARED_OWN | {"name": name, "root": str(root), "augment": OFF} | OWN[name]
    assert composed(f"dataset={name}")["dataset"] == expected


@pytest.mark.parametrize("name", TEXTS)
def test_every_text_composes_and_chooses_what_goes_with_it(name: str, root: Path) -> None:
    config = composed(f"dataset={name}")
    assert config["dataset"] == TEXT | {"root": str(root)} | TEXTS[name]
    chosen = [config["choices"][group] for group in ("dataset", "task", "model_name", "optimizer")]
    assert chosen == [name, "language", "transformer", "adamw"]


def test_a_line_and_an_experiment_overrule_what_a_data_set_chooses(tmp_path: Path) -> None:
    files = {"a": "dataset: sentences", "b": "dataset: sentences\n  - override /model_name: mlp"}
    (tmp_path / "own" / "experiment").mkdir(parents=True)
    for name, lines in files.items():
        text = f"# @package _global_\ndefaults:\n  - override /{lines}\n"
        (tmp_path / "own" / "experiment" / f"{name}.yaml").write_text(text)
    own = ["--config-dir", str(tmp_path / "own")]
    for line, network in {
        "dataset=sentences model_name=simple": "simple",
        "model_name=resnet18 dataset=sentences": "resnet18",
        "experiment=a": "transformer",
        "experiment=b": "mlp",
        "experiment=b model_name=simple": "simple",
        "experiment=a dataset=digits": "resnet10_small",
    }.items():
        assert composed(*own, *line.split())["choices"]["model_name"] == network, line


def test_every_data_set_is_compared() -> None:
    assert choices_of("dataset") == sorted([*AUGMENT, *OWN, *TEXTS, *POINTS])
    known = {*AUGMENT, *OWN, *TEXTS, *POINTS} - {"mine"}
    assert {file.stem for file in (conf_dir() / "dataset").glob("*.yaml")} == known


def test_help_knows_the_knobs_that_files_share() -> None:
    knobs = {knob.key: knob for knob in group_knobs("dataset")}
    augment = [f"dataset.augment.{key}" for key in OFF]
    shared = ("dataset.normalize", "dataset.interval")  # with points
    images = [f"dataset.{key}" for key in ("root", "split", "subset", "normalize", "interval", "image_size")] + augment
    assert list(knobs)[: len(images)] == images
    assert all(knob.meaning for knob in knobs.values())
    assert {knobs[key].section for key in images[1:] if key not in shared} == {
        "cifar10, cifar100, csv, digits, folder, mnist, npz"
    }
    assert knobs["dataset.bptt"].section == "sentences, text, wikitext103, wikitext2"
    assert knobs["dataset.augment.crop"].default == "4|0|1|2"
    assert knobs["dataset.augment.cutout"].default == "0"


@pytest.mark.parametrize("line", ["dataset=base/images", "dataset=base", "dataset.kind=text"])
def test_what_files_share_is_no_choice(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", line]) == 2
    assert capsys.readouterr().err.startswith(f"high-order-nets: {line}: ")
