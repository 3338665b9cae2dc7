"""Refinement during training: the epochs, the optimizer, the figures and the checkpoints."""

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_optimizer import AdaHessian
from safetensors import safe_open

from high_order_nets.conversion.counting import count_parameters
from high_order_nets.conversion.growth import refined_to, target_at
from high_order_nets.conversion.refine import Target, refine_
from high_order_nets.errors import UserError
from high_order_nets.layers import HighOrderConv2d, HighOrderLinear
from high_order_nets.optim.groups import replace_parameters
from high_order_nets.tasks import Classification
from high_order_nets.tasks.experiment import build, refined_experiment
from high_order_nets.training import run
from tests.training.crashes import assert_equal, crash_at, results

FAST = ("model_name=simple", "dataset=digits", "train_fraction=0.1", "width=0.25")
REFINE = ("max_epochs=3", "n=2", "refine.epochs=[1,2]", "refine.n=[3,4]")
STATE = "net.features.layer1.0.0.weight"


def checkpoint(tmp_path: Path, name: str = "last") -> dict:
    return torch.load(tmp_path / "run" / "checkpoints" / f"{name}.ckpt", weights_only=True)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "lion", "lbfgs", "adahessian", "sophia"])
def test_every_optimizer_goes_on_with_the_refined_network(
    trained, tmp_path: Path, caplog: pytest.LogCaptureFixture, optimizer: str
) -> None:
    caplog.set_level("INFO")
    metrics = trained(*FAST, *REFINE, f"optimizer={optimizer}", "sharing=channel")
    refinements = [message for message in caplog.messages if message.startswith("refined to")]
    assert [message.split(":")[0] for message in refinements] == ["refined to n=3", "refined to n=4"]
    assert "optimizer's state of those that changed is reset" in refinements[0]
    assert metrics["refined_epoch"] == 2
    assert metrics["train_loss"] < 10
    assert checkpoint(tmp_path)["state_dict"]["net.features.layer1.0.0.shape"].shape[0] == 3  # n - 1 of n = 4


def test_the_figures_are_those_of_the_network_at_the_end(trained, settings, tmp_path: Path) -> None:
    metrics = trained(*FAST, *REFINE)
    at_the_end = build(settings(*FAST, "n=4"))
    for key in ("parameters", "parameters_reduced", "macs"):
        names = {"parameters": "parameters_after"}
        expected = at_the_end.macs if key == "macs" else getattr(at_the_end.report, names.get(key, key))
        assert metrics[key] == expected
    with safe_open(tmp_path / "run" / "model.safetensors", "pt") as file:
        assert file.get_tensor("features.layer1.0.0.weight").shape[1] == 3
        assert json.loads(file.metadata()["metrics"])["refined_epoch"] == 2


@pytest.mark.parametrize(
    "layer", ["layer_type=discontinuous2d segments=2 refine.segments=[4,8] refine.n=[]", "parameters=nodal"]
)
def test_a_refined_checkpoint_is_tested_by_itself(trained, tmp_path: Path, layer: str) -> None:
    metrics = trained(*FAST, *REFINE, *layer.split())
    assert run.test(tmp_path / "run" / "checkpoints" / "last.ckpt") == metrics["test_acc"]


@pytest.mark.parametrize("call", [3, 4, 6])
def test_a_refined_run_that_was_killed_ends_as_one_left_alone(settings, tmp_path: Path, call: int) -> None:
    config = settings(*FAST, *REFINE, "batch_size=64", "optimizer=adam", "checkpoint.every_n_steps=1")
    run.train(config, tmp_path / "alone")
    with crash_at(Classification, "training_step", call):
        run.train(config, tmp_path / "crashed")
    run.train(config, tmp_path / "crashed")
    assert_equal(results(tmp_path / "alone"), results(tmp_path / "crashed"))


def test_the_best_may_be_one_from_before_a_refinement(trained, settings, tmp_path: Path) -> None:
    # Nothing is learned after the first epoch, so that it stays the best.
    schedule = ("scheduler=multistep", "scheduler.milestones=[0.3]", "scheduler.gamma=1e-30", "weight_decay=0")
    metrics = trained(*FAST, *REFINE, *schedule, "val_fraction=0.3", "norm=none")
    assert metrics["tested"] == "best"
    assert metrics["refined_epoch"] == 0
    assert checkpoint(tmp_path, "best")["state_dict"][STATE].shape[1] == 1
    assert checkpoint(tmp_path)["state_dict"][STATE].shape[1] == 3
    assert metrics["parameters"] == build(settings(*FAST, "n=2", "norm=none")).report.parameters_after
    assert run.test(tmp_path / "run" / "checkpoints" / "best.ckpt") == metrics["test_acc"]


def test_the_network_of_an_epoch(settings) -> None:
    config = settings(*FAST, "layer_type=continuous2d", "n=2", "max_epochs=9", "refine.epochs=[2,5]", "refine.n=[2,3]",
                      "refine.segments=[3,6]")  # fmt: skip
    targets = [target_at(config, epoch) for epoch in range(7)]
    start, first, second = Target(2, 1), Target(2, 3), Target(3, 6)
    assert targets == [start, start, first, first, first, second, second]
    assert target_at(settings(*FAST), 3) is None
    experiment = build(config)
    coarse = experiment.macs
    net, x = experiment.net.eval(), torch.randn(2, 1, 8, 8)
    y = net(x)
    assert refined_to(net, config, 1) == {}
    experiment = refined_experiment(experiment, config, 5)
    torch.testing.assert_close(net(x), y, rtol=1e-4, atol=1e-5)
    assert experiment.macs > coarse
    assert experiment.report.parameters_after == count_parameters(net)
    refined_to(net, config, 0)  # back to the shapes of an earlier checkpoint
    assert net.features.layer1[0][0].synapse.basis.segments == 1


def test_the_optimizer_keeps_what_did_not_change() -> None:
    net = torch.nn.Sequential(HighOrderLinear(2, 3, "polynomial", n=2, bias=True), torch.nn.Linear(3, 1))
    optimizer = torch.optim.Adam([{"params": [net[0].weight, net[1].weight]}, {"params": [net[0].bias, net[1].bias]}])
    net(torch.randn(4, 2)).sum().backward()
    optimizer.step()
    states: dict[Any, Any] = dict(optimizer.state)
    kept = {parameter: states[parameter] for parameter in (net[0].bias, net[1].weight, net[1].bias)}
    replace_parameters(optimizer, refine_(net, Target(n=4)))
    assert dict(optimizer.state) == kept
    assert [id(p) for p in optimizer.param_groups[0]["params"]] == [id(net[0].weight), id(net[1].weight)]
    before = net[0].weight.clone()
    net(torch.randn(4, 2)).sum().backward()
    optimizer.step()
    assert not net[0].weight.equal(before)


def test_an_optimizer_with_one_count_of_steps_starts_anew() -> None:
    layer, plain = HighOrderLinear(2, 1, "polynomial", n=2), torch.nn.Linear(1, 1)
    parameters = [*layer.parameters(), *plain.parameters()]
    optimizer = AdaHessian([{"params": parameters[:1]}, {"params": parameters[1:]}])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the cycle that create_graph makes
        plain(layer(torch.randn(4, 2))).square().sum().backward(create_graph=True)
    optimizer.step()
    assert [group["step"] for group in optimizer.param_groups] == [1, 1]
    replace_parameters(optimizer, refine_(layer, Target(n=3)))
    assert not optimizer.state
    assert [group["step"] for group in optimizer.param_groups] == [0, 0]


def test_shared_functions_grow_and_their_weights_stay() -> None:
    layer = HighOrderConv2d(2, 3, 1, "polynomial", n=2, sharing="channel")
    assert list(refine_(layer, Target(n=3)).values()) == [layer.shape]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("refine.epochs=[1]", "needs refine.n or refine.segments"),
        ("refine.n=[3]", r"refine.n=\[3\]: expected one for each"),
        ("refine.epochs=[1,2] refine.n=[4]", "expected one for each"),
        ("refine.epochs=[2,1] refine.n=[4,5]", "growing"),
        ("refine.epochs=[1,1] refine.n=[4,5]", "growing"),
        ("refine.epochs=[0] refine.n=[4]", "at least 1"),
        ("refine.epochs=1 refine.n=[4]", "a list of whole numbers"),
        ("refine.epochs=[1] refine.n=[2.5]", "a list of whole numbers"),
        ("refine.epochs=[1,2] refine.n=[5,4]", "n may not fall, and 5 comes before 4"),
        ("refine.epochs=[1] refine.n=[2]", "n may not fall, and 3 comes before 2"),
        ("refine.epochs=[1] refine.segments=[2]", "layer_type=polynomial2d has no segments"),
        ("layer_type=continuous2d segments=2 refine.epochs=[1] refine.segments=[3]", "multiples"),
        ("layer_type=crelu2d refine.epochs=[1] refine.n=[3]", "layer_type=crelu2d has no n"),
        ("layer_type=standard refine.epochs=[1] refine.n=[3]", "layer_type=standard has no n"),
        ("refine.epochs=[4] refine.n=[4]", "training ends after max_epochs=4"),
        ("refine.epochs=[1] refine.n=[4] trainer=ddp", "one process alone"),
        ("refine.epoch=[1]", "nearest valid name: refine.epochs"),
    ],
)
def test_bad_refinements_are_refused_at_once(settings, overrides: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        settings(*FAST, "max_epochs=4", *overrides.split())


@pytest.mark.parametrize("dataset", ["digits", "mnist"])
def test_the_mlp_trains(trained, tmp_path: Path, dataset: str) -> None:
    layer = ("layer_type=continuous", "n=3", "segments=2", "train_fraction=0.3", "max_epochs=1")
    metrics = trained("model_name=mlp", f"dataset={dataset}", *layer, "model_name.hidden_width=16")
    state = checkpoint(tmp_path)["state_dict"]
    pixels = {"digits": 64, "mnist": 784}[dataset]
    assert state["net.1.0.weight"].shape == (16, 4, pixels)
    assert state["net.3.weight"].shape == (10, 16)
    assert metrics["status"] == "finished"
    assert run.test(tmp_path / "run" / "checkpoints" / "last.ckpt") == metrics["test_acc"]
