"""Aligned intervals in a run: the first batch's, in every file, whatever stops the run."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from high_order_nets import load
from high_order_nets.conversion.align import align
from high_order_nets.layers import HighOrderLinear
from high_order_nets.run.checkpoints import read_checkpoint
from high_order_nets.tasks import Classification
from high_order_nets.tasks.experiment import build
from high_order_nets.training import run
from high_order_nets.training.callbacks.align import Align
from tests.training.crashes import assert_equal, crash_at, results

FAST = ("model_name=simple", "dataset=digits", "train_fraction=0.1", "batch_size=64", "max_epochs=2", "width=0.5")


def intervals(folder: Path) -> dict[str, torch.Tensor]:
    return {key: value for key, value in load_file(folder / "model.safetensors").items() if key.endswith("interval")}


@pytest.mark.parametrize(
    ("line", "k"),
    [
        ("layer_type=polynomial2d", 4.0),
        pytest.param("layer_type=polynomial2d n=5", 5.0, marks=pytest.mark.slow),
        pytest.param("layer_type=continuous2d n=3 segments=2", 4.0, marks=pytest.mark.slow),
        ("layer_type=fourier2d align=channel", 4.0),
    ],
)
def test_scale_auto_trains_and_is_used(line: str, k: float, trained, settings, tmp_path: Path) -> None:
    overrides = (*FAST, "trainer=debug", "scale=auto", *line.split())
    config = settings(*overrides)
    assert (config["scale"], config["layer_type"]["length"], config["dataset"]["interval"]) == ("auto", k, k)
    assert config["align"] == ("channel" if "channel" in line else "layer")
    figures = trained(*overrides)
    found = intervals(tmp_path / "run")
    assert found
    net = load(tmp_path / "run").net
    assert {key for key, _ in net.named_buffers() if key.endswith("interval")} == found.keys()
    assert run.test(tmp_path / "run" / "checkpoints" / "last.ckpt") == figures["test_acc"]


@pytest.mark.parametrize("how", ["layer", "channel"])
def test_the_first_batch_alone_is_measured(how: str, settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = settings(*FAST, "scale=auto", f"align={how}")
    first, nets = [], []
    step = Classification.training_step

    def watched(self: Classification, batch: tuple) -> torch.Tensor:
        if not first:
            first.append(batch[0])
            nets.append({key: value.clone() for key, value in self.net.state_dict().items()})
        return step(self, batch)

    monkeypatch.setattr(Classification, "training_step", watched)
    run.train(config, tmp_path / "run")
    torch.manual_seed(config["seed"])
    fresh = build(config).net
    before = {key: value for key, value in nets[0].items() if not key.endswith("interval")}
    fresh.load_state_dict(before)
    align(fresh, first[0])
    found = intervals(tmp_path / "run")
    assert found.keys() == {key for key in nets[0] if key.endswith("interval")}
    assert all(value.equal(fresh.state_dict()[key]) for key, value in found.items())
    saved = read_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt")["state_dict"]
    assert all(value.equal(saved[f"net.{key}"]) for key, value in found.items())


@pytest.mark.parametrize(
    "line",
    [
        "align=channel layer_by_layer=true",
        pytest.param("align=layer domain=slopes", marks=pytest.mark.slow),
        pytest.param("align=batch", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("call", [pytest.param(1, marks=pytest.mark.slow), 4])
def test_a_crash_leaves_no_trace(line: str, call: int, settings, tmp_path: Path) -> None:
    """In the first step, before anything is saved; and within the second epoch, of 3 steps each."""
    config = settings(*FAST, "scale=auto", "checkpoint.every_n_steps=1", *line.split())
    run.train(config, tmp_path / "alone")
    with crash_at(Classification, "on_train_batch_end", call):
        run.train(config, tmp_path / "crashed")
    run.train(config, tmp_path / "crashed")
    assert_equal(results(tmp_path / "alone"), results(tmp_path / "crashed"))


def test_a_resumed_run_is_not_measured_again(settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = settings(*FAST, "scale=auto", "checkpoint.every_n_steps=1")
    with crash_at(Classification, "on_train_batch_end", 3):
        run.train(config, tmp_path / "run")
    before = read_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt")["state_dict"]

    def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("high_order_nets.training.callbacks.align.align", never)
    run.train(config, tmp_path / "run")
    found = intervals(tmp_path / "run")
    assert all(value.equal(before[f"net.{key}"]) for key, value in found.items())


def test_processes_take_what_the_first_one_measured() -> None:
    theirs = torch.full((2, 3), 0.25, dtype=torch.float64)
    trainer: Any = SimpleNamespace(world_size=2, strategy=SimpleNamespace(broadcast=lambda _own: [theirs, None]))
    layers = [HighOrderLinear(3, 2, "polynomial", align="layer") for _ in range(2)]
    layers[0].add_module("unused", layers[1])
    task: Any = SimpleNamespace(nets=[nn.Sequential(layers[0])], dtype=torch.float32)
    Align().on_train_batch_start(trainer, task, (torch.ones(4, 3, dtype=torch.float64), None), 0)
    assert layers[0].interval is not None
    assert layers[0].interval.equal(theirs.float())
    assert layers[1].interval is None


def test_intervals_follow_their_inputs_while_the_functions_are_frozen(settings, tmp_path: Path) -> None:
    """Of 6 steps the first 3, whatever stops the run."""
    frozen = ("sharing=channel", "init=silu", "domain=linear", "functions.frozen=0.5")
    config = settings(*FAST, "scale=auto", *frozen, "checkpoint.every_n_steps=1")
    found = []
    for call in (1, 2, 3, 4):
        with crash_at(Classification, "on_train_batch_end", call):
            run.train(config, tmp_path / str(call))
        saved = read_checkpoint(tmp_path / str(call) / "checkpoints" / "last.ckpt")["state_dict"] if call > 1 else {}
        found.append({key: value for key, value in saved.items() if key.endswith("interval")})
    run.train(config, tmp_path / "2")
    run.train(config, tmp_path / "4")
    assert_equal(results(tmp_path / "2"), results(tmp_path / "4"))
    end = intervals(tmp_path / "4")
    assert all(not found[1][f"net.{key}"].equal(value) for key, value in end.items())
    assert all(found[3][f"net.{key}"].equal(value) for key, value in end.items())


def test_an_interval_that_follows_is_a_mean_that_forgets() -> None:
    layer = HighOrderLinear(3, 2, "polynomial", align="channel")
    batches = [torch.randn(50, 3) * torch.tensor([1.0, 2.0, 3.0]) + k for k in range(3)]
    align(layer, batches[0])
    layer.follows = True
    centre, deviation = batches[0].mean(0), batches[0].std(0, correction=0)
    for batch in batches[1:]:
        layer(batch)
        centre, deviation = 0.9 * centre + 0.1 * batch.mean(0), 0.9 * deviation + 0.1 * batch.std(0, correction=0)
    layer.eval()
    layer(batches[0])  # in use it stays
    assert layer.interval is not None
    torch.testing.assert_close(layer.interval, torch.stack([centre, 1 / deviation]))
