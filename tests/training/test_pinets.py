"""Networks of every block through the command line: trained, stopped, gone on with, refined, exported, measured."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from high_order_nets import convert, refine
from high_order_nets.conversion.counting import count_parameters
from high_order_nets.data.images.normalise import Normalisation
from high_order_nets.data.spec import ImageSpec
from high_order_nets.models import blocks
from high_order_nets.models.factory import network
from high_order_nets.models.resnet import pinet
from high_order_nets.models.vision import image_classifier
from tests.experiments import composed, train_in
from tests.models.blocks.kinds import ALONE, NAMES, Mixed

TINY = ["model_name=pinet18", "width=0.07", "stem=cifar", "scheduler=none", "trainer=cpu", "plots.enabled=false"]
SHORT = ["dataset=cifar10", "dataset.image_size=16", "batch_size=48", "learning_rate=0.01"]


def narrow(first: int, block: str = "residual") -> Any:
    """Make a network of few channels with so many blocks in its first stage."""
    options = {"block": blocks.BlockType(block), "layers": [first, 1, 1, 1]}
    return image_classifier(pinet, channels=3, classes=4, image_size=16, width=0.07, options=options)


def figures(run: Path) -> dict[str, Any]:
    return json.loads((run / "metrics.json").read_text())


def test_every_block_resumes_and_refines(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All blocks but those of ALONE are in one network."""
    monkeypatch.setitem(blocks.BLOCKS, "residual", Mixed)
    words = [*TINY, *SHORT, "layer_type=polynomial2d", "n=2", "refine.epochs=[1]", "refine.n=[3]", "pool_function=true"]
    words.append(f"model_name.layers=[{len(NAMES) - len(ALONE) - 3},1,1,1]")
    once, twice = tmp_path / "once", tmp_path / "twice"
    for folder, epochs in ((once, 3), (twice, 2), (twice, 3)):
        train_in(settings(*words, f"max_epochs={epochs}"), folder)
    assert figures(once)["test_loss"] == figures(twice)["test_loss"]


def test_dpoly_resumes_with_degree_and_best_epoch_measured(settings: Any, tmp_path: Path) -> None:
    words = [*TINY, *SHORT, "block=dpoly", "layer_type=standard", "model_name.layers=[1,1,1,1]"]
    words += ["measure.degree=1", "measure.best_test=true"]
    once, twice = tmp_path / "once", tmp_path / "twice"
    for folder, epochs in ((once, 2), (twice, 1), (twice, 2)):
        train_in(settings(*words, f"max_epochs={epochs}"), folder)
    whole, resumed = figures(once), figures(twice)
    for key in ("test_loss", "test_best_acc", "train_degree"):
        assert whole[key] == resumed[key]
    assert whole["test_best_acc"] >= whole["test_acc"]
    with (once / "history.csv").open() as file:
        assert [0 < float(row["train_degree"]) <= 32 for row in csv.DictReader(file)] == [True, True]


def test_dpoly_is_refined() -> None:
    high, _ = convert(narrow(1, "dpoly"), "polynomial2d", n=2)
    x = torch.rand(2, 3, 16, 16)
    high.train()(x)  # so that the norms have seen data
    finer = refine(high.eval(), n=3)
    torch.testing.assert_close(finer(x), high(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("block", ["residual", "dpoly"])
def test_every_block_is_exported(block: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """residual: all blocks but those of ALONE in one network."""
    monkeypatch.setitem(blocks.BLOCKS, "residual", Mixed)
    net, x = narrow(1, "dpoly") if block in ALONE else narrow(len(NAMES)), torch.rand(2, 3, 16, 16)
    net(x)
    exported = torch.export.export(net.eval(), (x,)).module()
    torch.testing.assert_close(exported(x), net(x))


@pytest.mark.parametrize("words", [["block=dpoly"], ["block=ncp", "block.zero_init=false", "activation=none"]])
def test_networks_without_activations_are_evaluated_after_one_step(words: list[str], trained: Any) -> None:
    metrics = trained(*TINY, *SHORT, *words, "layer_type=standard", "trainer=debug", "val_fraction=0.2")
    assert metrics["status"] == "finished"


PRESETS = {
    "table5": 6_014_538,
    "table5_seed": 11_173_962,
    "pinet_table5": 6_014_538,
    "pinet_seed": 5_274_954,
    "resnet18_cifar": 11_173_962,
    "resnet_2211": 5_272_650,
    "rpolynet18": 11_874_130,
    "dpolynet18": 7_143_310,
    "pdc18": 4_259_793,
    "cifar10_fast": 6_014_538,
}


@pytest.mark.parametrize("name", PRESETS)
def test_presets_build_networks_of_their_sizes(name: str) -> None:
    config = composed(f"experiment={name}")
    with torch.device("meta"):
        net, _ = network(config, ImageSpec(3, 32, tuple("0123456789"), Normalisation.to_interval(3, 2.0)))
    assert count_parameters(net) == PRESETS[name]


def test_the_recipe_is_that_of_table5() -> None:
    config = composed("experiment=table5")
    assert (config["learning_rate"], config["weight_decay"], config["batch_size"]) == (0.1, 5e-4, 128)
    assert (config["optimizer"]["momentum"], config["optimizer"].get("nesterov")) == (0.9, None)
    per_epoch = 391
    drops = [part * 120 * per_epoch for part in config["scheduler"]["milestones"]]
    assert [int(drop) + 1 for drop in drops if drop % 1] + [60 * per_epoch] == [
        *(epoch * per_epoch for epoch in (40, 80, 100)),
        60 * per_epoch,
    ]
    seed = composed("experiment=table5_seed")
    assert (seed["optimizer"].get("momentum"), seed["weight_decay"], seed["train_fraction"]) == (None, 0.0, 0.8)
