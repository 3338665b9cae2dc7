"""Runs that begin with the weights of others: what is taken, what rests, and how they go on."""

import json
import logging
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from high_order_nets import load
from high_order_nets.conversion.counting import count_parameters
from high_order_nets.errors import UserError
from high_order_nets.tasks import Classification
from high_order_nets.tasks.experiment import build
from high_order_nets.training import run
from high_order_nets.training.origin import find_origin
from tests.training.crashes import assert_equal, crash_at, results

Settings = Callable[..., dict[str, Any]]
# 6 steps an epoch, in the network of `finished`
LINE = ("model_name=simple", "dataset=digits", "train_fraction=0.3", "batch_size=64")


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def test_frozen_parts_stay_as_they_were_and_the_origin_is_on_record(
    settings: Settings, finished: Path, tmp_path: Path
) -> None:
    words = ("max_epochs=1", "optimizer=adamw", "learning_rate=0.001", "learning_rate.head=0.1", "clamp_weights=0.01")
    run.train(settings(*LINE, *words, f"init_from={finished}", "freeze=[stem]"), tmp_path / "run")
    before, after = weights(finished), weights(tmp_path / "run")
    stem = {name for name in before if name.startswith("features.layer1.")}
    assert {name for name in before if before[name].equal(after[name])} == stem
    assert {name.rpartition(".")[2] for name in stem} >= {"weight", "bias", "running_mean", "num_batches_tracked"}
    origin = json.loads((tmp_path / "run" / "metrics.json").read_text())["origin"]
    digest = sha256((finished / "model.safetensors").read_bytes()).hexdigest()
    assert origin == {"path": str(finished / "model.safetensors"), "sha256": digest}


@pytest.mark.parametrize("call", [5, 10])  # within the frozen epoch, and within the one after it
def test_a_run_goes_on_without_what_it_began_with(
    call: int, settings: Settings, finished: Path, tmp_path: Path
) -> None:
    source = tmp_path / "source.safetensors"
    source.write_bytes((finished / "model.safetensors").read_bytes())
    words = ("max_epochs=2", "freeze=stem", "unfreeze_at=1", "stage_lr=0.5", "checkpoint.every_n_steps=3")
    config = settings(*LINE, *words, f"init_from={source}")
    run.train(config, tmp_path / "alone")
    with crash_at(Classification, "training_step", call):
        run.train(config, tmp_path / "crashed")
    source.unlink()
    run.train(config, tmp_path / "crashed")
    alone = results(tmp_path / "alone")
    assert_equal(alone, results(tmp_path / "crashed"))
    assert alone["metrics"]["origin"]["path"] == str(source)
    name = "features.layer1.0.0.weight"
    assert not alone["weights"][name].equal(weights(finished)[name])


def test_another_head_may_begin_anew(
    settings: Settings, finished: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    line = ("trainer=debug", "model_name=simple", "dataset=cifar100", "dataset.image_size=8", f"init_from={finished}")
    with pytest.raises(UserError, match=r"3 of 16 .*; init_from.partial=true takes the others$") as refused:
        run.train(settings(*line), tmp_path / "run")
    listed = "fc.weight (10, 64) there, (100, 64) here, fc.bias (10,) there, (100,) here"
    assert listed in str(refused.value)
    with caplog.at_level(logging.INFO):
        run.train(settings(*line, "init_from.partial=true"), tmp_path / "run")
    assert "13 of the network's 16 tensors taken" in caplog.text
    assert listed in caplog.text
    assert "trained on images scaled by" in caplog.text


def test_layers_are_refined_while_they_are_frozen(settings: Settings, finished: Path, tmp_path: Path) -> None:
    words = ("max_epochs=2", "freeze=[stem]", "refine.epochs=[1]", "refine.n=[5]", f"init_from={finished}")
    run.train(settings(*LINE, *words), tmp_path / "run")
    name = "features.layer1.0.0.weight"
    coarse, fine = weights(finished)[name], weights(tmp_path / "run")[name]
    assert fine.shape[1] == coarse.shape[1] + 2
    assert torch.allclose(fine[:, 2:], torch.zeros(()), atol=1e-5)  # the coefficients of the degrees that are new
    assert torch.allclose(fine[:, :2], coarse, atol=1e-5)


TWO = ("max_epochs=2", "freeze=[stem]", "trainer.devices=2")


@pytest.mark.slow
def test_processes_share_what_is_not_frozen(settings: Settings, finished: Path, tmp_path: Path) -> None:
    run.train(settings(*LINE, *TWO, f"init_from={finished}"), tmp_path / "run")
    name = "features.layer1.0.0.weight"
    assert weights(finished)[name].equal(weights(tmp_path / "run")[name])


def test_processes_do_not_unfreeze(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unfreeze_at=1: one process alone can unfreeze"):
        run.train(settings(*LINE, *TWO, "unfreeze_at=1"), tmp_path / "thawed")


def test_a_trained_relu_network_becomes_high_order_equal_in_output_and_then_better(
    settings: Settings, tmp_path: Path
) -> None:
    words = ("dataset=digits", "max_epochs=4")
    before = run.train(settings(*words, "layer_type=standard"), tmp_path / "relu")
    high = settings(*words, "n=3", "domain=linear", "weights=keep", f"init_from={tmp_path}/relu")
    begun = build(high, find_origin(high).source)
    images = begun.data.sample(64, torch.zeros(()))
    relu, net = load(tmp_path / "relu").net, begun.net.eval()
    assert count_parameters(net) > 1.9 * count_parameters(relu)
    with torch.no_grad():
        torch.testing.assert_close(net(images), relu(images), rtol=1e-4, atol=1e-4)
    assert run.train(high, tmp_path / "high") > before
    again = find_origin(settings(*words, "domain=linear", "weights=keep", f"init_from={tmp_path}/high")).source
    found = build(high, again).net.eval()  # weights of a converted network are for the converted one
    with torch.no_grad():
        assert found(images).equal(load(tmp_path / "high").net(images))
