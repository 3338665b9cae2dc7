"""Optimizers and schedules from a config: every number that reaches torch."""

import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from high_order_nets.errors import UserError
from high_order_nets.layers import HighOrderLinear
from high_order_nets.optim.factory import make_optimizer, make_optimizers
from high_order_nets.optim.groups import parameter_groups, regroup
from high_order_nets.optim.schedules import make_schedule, relative_rate

SGD = {"_target_": "torch.optim.SGD", "default_learning_rate": 0.25, "default_weight_decay": 0.5, "momentum": 0.75}
CHOICES = {"optimizer": "sgd", "scheduler": "cosine"}


def settings(optimizer: dict[str, Any] = SGD, **changes: Any) -> dict[str, Any]:
    knobs = {"learning_rate": None, "weight_decay": None, "max_epochs": 10, "warmup_epochs": 0, "val_fraction": 0}
    knobs |= {"functions": {"lr": 1.0, "weight_decay": None, "deviation_decay": 0.0, "frozen": 0.0, "until": 1.0}}
    return knobs | {"optimizer": optimizer, "scheduler": {"name": "none"}, "choices": CHOICES} | changes


def rates(steps: int, beyond: int = 0, **changes: Any) -> list[float]:
    """The learning rate of each step, and of so many beyond the last, where its peak is 1."""
    config = settings(learning_rate=1.0, **changes)
    optimizer = make_optimizer(config, nn.Linear(1, 1))
    entry = make_schedule(config, optimizer, steps)
    assert entry is not None
    assert entry["interval"] == "step"
    found = []
    for _ in range(steps + beyond):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        entry["scheduler"].step()
    return found


@pytest.mark.parametrize(("rate", "decay"), [(None, None), (2.0, 3.0), (2.0, 0.0)])
def test_an_optimizer_has_its_file_numbers_or_those_asked_for(rate: float | None, decay: float | None) -> None:
    optimizer = make_optimizer(settings(learning_rate=rate, weight_decay=decay), nn.Linear(2, 3))
    assert type(optimizer) is torch.optim.SGD
    assert optimizer.defaults["momentum"] == 0.75
    assert [group["lr"] for group in optimizer.param_groups] == [0.25 if rate is None else rate] * 2
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.5 if decay is None else decay, 0.0]


def test_lbfgs_gets_all_parameters_in_one_group_without_decay() -> None:
    node = {"_target_": "torch.optim.LBFGS", "default_learning_rate": 0.5, "default_weight_decay": 0.0, "max_iter": 3}
    net = nn.Linear(2, 3)
    (group,) = make_optimizer(settings(node, weight_decay=1.0), net).param_groups
    assert [id(p) for p in group["params"]] == [id(p) for p in net.parameters()]
    assert (group["lr"], group["max_iter"]) == (0.5, 3)


def test_keys_that_are_not_the_optimizers_own_stay_behind() -> None:
    optimizer = make_optimizers(settings(SGD | {"create_graph": True}), nn.Linear(1, 1), 5)
    assert list(optimizer) == ["optimizer"]


def test_a_schedule_comes_with_its_optimizer() -> None:
    made = make_optimizers(settings(scheduler={"name": "cosine"}), nn.Linear(1, 1), 5)
    assert made["lr_scheduler"]["scheduler"].optimizer is made["optimizer"]


@pytest.mark.parametrize("bad", [{"momentum": -1.0}, {"nesterove": True}])
def test_what_an_optimizer_refuses_names_the_choices(bad: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"^optimizer=sgd scheduler=cosine: .*(momentum|nesterove)"):
        make_optimizers(settings(SGD | bad), nn.Linear(1, 1), 5)


def test_a_parametrised_weight_is_decayed() -> None:
    weights, others = parameter_groups(weight_norm(nn.Linear(2, 3)), 0.1)
    assert [tuple(p.shape) for p in weights["params"]] == [(3, 1), (3, 2)]
    assert [tuple(p.shape) for p in others["params"]] == [(3,)]


def test_no_schedule_for_a_constant_rate() -> None:
    config = settings()
    assert make_schedule(config, make_optimizer(config, nn.Linear(1, 1)), 5) is None


def test_warm_up_comes_before_the_cosine() -> None:
    fall = [0.5 + 0.5 * math.cos(math.pi * step / 8) for step in range(9)]
    assert rates(10, beyond=1, scheduler={"name": "cosine"}, warmup_epochs=2) == pytest.approx([0.5, 1.0, *fall])


def test_warm_up_takes_the_whole_run_at_most() -> None:
    assert rates(4, scheduler={"name": "cosine"}, warmup_epochs=20) == pytest.approx([0.25, 0.5, 0.75, 1.0])


def test_a_cosine_of_one_step_ends_at_zero() -> None:
    assert rates(2, beyond=1, scheduler={"name": "cosine"}, warmup_epochs=5) == pytest.approx([1.0, 1.0, 0.0])


def test_an_unknown_part_of_the_run_has_the_peak() -> None:
    assert relative_rate({"name": "none"}, 0.5) == 1.0


@pytest.mark.parametrize(("val_fraction", "monitor"), [(0.25, "val_loss"), (0, "train_loss_epoch")])
def test_plateau_watches_a_loss_by_the_epoch(val_fraction: float, monitor: str) -> None:
    config = settings(scheduler={"name": "plateau", "factor": 0.25, "patience": 3}, val_fraction=val_fraction)
    optimizer = make_optimizer(config, nn.Linear(1, 1))
    entry = make_schedule(config, optimizer, 5)
    assert entry is not None
    schedule = entry.pop("scheduler")
    assert entry == {"interval": "epoch", "monitor": monitor}
    assert (schedule.optimizer, schedule.factor, schedule.patience) == (optimizer, 0.25, 3)


def test_a_checkpoint_of_two_groups_becomes_one_of_three(caplog: pytest.LogCaptureFixture) -> None:
    net = nn.Module()
    net.table, net.layer = nn.Parameter(torch.zeros(3, 1)), HighOrderLinear(2, 1, "polynomial", sharing="channel")
    net.bias = nn.Parameter(torch.zeros(5))
    # By their axes: table, layer.weight and layer.shape; bias.
    old = [{"lr": 0.1, "weight_decay": 0.5, "params": [0, 1, 2]}, {"lr": 0.1, "weight_decay": 0.0, "params": [3]}]
    checkpoint: dict[str, Any] = {
        "optimizer_states": [{"state": {0: "table", 1: "weight", 3: "bias"}, "param_groups": old}],
        "lr_schedulers": [{"base_lrs": [1.0, 1.0], "_last_lr": [2.0, 2.0], "lr_lambdas": [None, None], "n": [3, 3]}],
    }
    with caplog.at_level("INFO"):
        regroup(checkpoint, net)
    # Today: layer.weight; table and bias; layer.shape.
    assert checkpoint["optimizer_states"] == [
        {
            "state": {0: "weight", 1: "table", 2: "bias"},
            "param_groups": [
                {"lr": 0.1, "weight_decay": 0.5, "params": [0]},
                {"lr": 0.1, "weight_decay": 0.0, "params": [1, 2]},
                {"lr": 0.1, "weight_decay": 0.5, "params": [3]},
            ],
        }
    ]
    assert checkpoint["lr_schedulers"] == [
        {"base_lrs": [1.0] * 3, "_last_lr": [2.0] * 3, "lr_lambdas": [None] * 3, "n": [3, 3]}
    ]
    assert caplog.messages == ["the checkpoint's 2 groups of parameters become today's 3: see weight_decay"]


@pytest.mark.parametrize("groups", [[{"params": [0, 1, 2, 3]}], [{"params": [0, 1, 2]}, {"params": [3]}]])
def test_groups_of_another_optimizer_stay(groups: list[dict[str, Any]]) -> None:
    net = nn.Module()
    net.table, net.layer = nn.Parameter(torch.zeros(3, 1)), HighOrderLinear(2, 1, "polynomial", sharing="channel")
    net.bias = nn.Parameter(torch.zeros(5))
    checkpoint: dict[str, Any] = {"optimizer_states": [{"state": {}, "param_groups": groups}], "lr_schedulers": []}
    regroup(checkpoint, net)
    assert checkpoint["optimizer_states"][0]["param_groups"] is groups
