"""The recipe, number by number: what a whole run would hide, worked out by hand."""

import math
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from high_order_nets.errors import Interrupted
from high_order_nets.layers import HighOrderLinear
from high_order_nets.optim.groups import parameter_groups, regroup
from high_order_nets.optim.schedules import make_schedule, relative_rate
from high_order_nets.run.record import status_of
from high_order_nets.settings import UNIMPORTANT, deciding
from high_order_nets.tasks import Classification
from high_order_nets.training import resume
from high_order_nets.training.callbacks.clock import Clock


def decayed(net: nn.Module) -> dict[str, float]:
    groups = parameter_groups(net, 0.1)
    decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    return {name: decay[id(p)] for name, p in net.named_parameters()}


def test_decay_falls_on_weights_alone() -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), HighOrderLinear(2, 3, "fourier", bias=True)
    )
    weights = {"0.weight", "3.weight"}
    assert decayed(net) == {name: 0.1 if name in weights else 0.0 for name, _ in net.named_parameters()}


@pytest.mark.parametrize("name", ["swin_t", "swin_v2_t", "vit_b_16", "convnext_tiny", "maxvit_t"])
def test_no_decay_on_tables_tokens_and_scales(name: str) -> None:
    with torch.device("meta"):
        net = getattr(torchvision.models, name)(**({"input_size": (224, 224)} if name == "maxvit_t" else {}))
    free = ("bias_table", "class_token", "pos_embedding", "layer_scale", "logit_scale", "bias")
    for parameter, decay in decayed(net).items():
        matrix = parameter.endswith("weight") and net.get_parameter(parameter).ndim > 1
        assert decay == (0.1 if matrix else 0.0), parameter
        assert decay == 0.0 or not parameter.endswith(free)


class Odd(nn.Module):
    """Has parameters that their names or axes alone would tell wrongly."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 1, 3))
        self.norm, self.table = nn.LayerNorm([2, 3, 3]), nn.Embedding(4, 3)
        self.weights, self.shape = nn.ParameterList([torch.zeros(3, 3)]), nn.Parameter(torch.zeros(3))
        self.fc = nn.utils.parametrizations.orthogonal(nn.Linear(3, 3))


def test_what_a_parameter_is_decides_and_not_its_axes() -> None:
    weights = {"table.weight", "weights.0", "fc.parametrizations.weight.original"}
    assert decayed(Odd()) == {name: 0.1 if name in weights else 0.0 for name, _ in Odd().named_parameters()}


def test_functions_that_are_shared_are_a_group_of_their_own() -> None:
    net = nn.Sequential(HighOrderLinear(2, 3, "polynomial", sharing="channel", bias=True))
    weights, others, functions = parameter_groups(net, 0.1)
    assert [group["weight_decay"] for group in (weights, others, functions)] == [0.1, 0.0, 0.1]
    assert functions["params"] == [net[0].shape]


@pytest.mark.parametrize("first", [Odd, nn.Identity])
def test_an_older_checkpoint_is_brought_to_the_groups_of_today(first: type[nn.Module]) -> None:
    net = nn.Sequential(first(), HighOrderLinear(2, 3, "polynomial", sharing="channel", bias=True), nn.Linear(3, 2))
    axes = [[p for p in net.parameters() if (p.ndim > 1) == many] for many in (True, False)]
    decays = ({"params": group, "weight_decay": decay} for group, decay in zip(axes, (0.1, 0.0), strict=True))
    old = torch.optim.SGD(decays, lr=0.1, momentum=0.9)
    for parameter in net.parameters():
        parameter.grad = torch.full_like(parameter, float(parameter.numel()))
    old.step()
    checkpoint: dict[str, Any] = {
        "optimizer_states": [old.state_dict()],
        "lr_schedulers": [{"base_lrs": [0.1, 0.1], "_last_lr": [0.05, 0.05], "lr_lambdas": [None, None]}],
    }
    regroup(checkpoint, net)
    new = torch.optim.SGD(parameter_groups(net, 0.1), lr=0.1, momentum=0.9)
    new.load_state_dict(checkpoint["optimizer_states"][0])
    for parameter in net.parameters():
        assert new.state[parameter]["momentum_buffer"].equal(old.state[parameter]["momentum_buffer"])
    assert [group["weight_decay"] for group in new.param_groups] == [0.1, 0.0, 0.1]
    assert checkpoint["lr_schedulers"][0]["base_lrs"] == [0.1] * 3
    before = checkpoint["optimizer_states"][0]
    regroup(checkpoint, net)
    assert checkpoint["optimizer_states"][0] is before


FREE = {"frozen": 0.0, "until": 1.0}


def factors(steps: int, **config: Any) -> list[float]:
    """The rate of each step as a part of its peak."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    knobs = {"max_epochs": 10, "warmup_epochs": 0, "val_fraction": 0, "functions": FREE}
    entry = make_schedule(knobs | config, optimizer, steps)
    assert entry is not None
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        entry["scheduler"].step()
    return found


def test_warm_up_begins_above_zero_and_ends_at_the_peak() -> None:
    rates = factors(40, scheduler={"name": "none"}, warmup_epochs=1)
    assert rates == pytest.approx([0.25, 0.5, 0.75, *[1.0] * 37])


def test_the_cosine_is_no_straight_line() -> None:
    expected = [1.0, 0.5 + math.sqrt(2) / 4, 0.5, 0.5 - math.sqrt(2) / 4, 0.0]
    assert [relative_rate({"name": "cosine"}, done / 4) for done in range(5)] == pytest.approx(expected)
    assert factors(4, scheduler={"name": "cosine"}) == pytest.approx(expected[:4])


def test_one_cycle_rises_from_a_25th_and_falls_to_zero() -> None:
    node = {"name": "one_cycle", "pct_start": 0.2}
    rates = [relative_rate(node, done) for done in (0.0, 0.1, 0.2, 0.4, 0.6, 1.0, 1.5)]
    assert rates == pytest.approx([0.04, 0.52, 1.0, 0.5 + math.sqrt(2) / 4, 0.5, 0.0, 0.0])


def test_multistep_falls_at_its_milestones() -> None:
    node = {"name": "multistep", "gamma": 0.1, "milestones": [0.5, 0.8]}
    assert [relative_rate(node, done) for done in (0.49, 0.5, 0.79, 0.8)] == pytest.approx([1.0, 0.1, 0.1, 0.01])


class Fixed(nn.Module):
    """Gives the logits that it was made with."""

    def __init__(self, logits: Tensor):
        super().__init__()
        self.logits = nn.Parameter(logits)

    def forward(self, _: Tensor) -> Tensor:
        return self.logits


def test_losses_and_accuracies_of_each_split(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = torch.tensor([[6.0, 5, 4, 3, 2, 1, 0]] * 4)
    labels = torch.tensor([0, 4, 5, 1])  # at ranks 1, 5, 6 and 2
    task = Classification(Fixed(logits), 7, lambda *_: None, label_smoothing=0.3)
    monkeypatch.setattr(task, "log_dict", lambda *_, **__: None)
    monkeypatch.setattr(task, "log", lambda *_, **__: None)
    batch = torch.zeros(4, 1), labels
    task.validation_step(batch)
    task.test_step(batch)
    loss = task.training_step(batch)
    plain = F.cross_entropy(logits, labels)
    uniform = -logits.log_softmax(1).mean()
    for split, expected in (("val", plain), ("test", plain), ("train", 0.7 * plain + 0.3 * uniform)):
        computed = task.figures[f"{split}_"].compute()
        figures = {key.removeprefix(f"{split}_"): float(value) for key, value in computed.items()}
        assert figures["acc"] == 0.25
        assert figures["acc5"] == 0.75
        assert figures.get("loss", figures.get("loss_epoch")) == pytest.approx(float(expected))
    assert float(loss.detach()) == pytest.approx(float(0.7 * plain + 0.3 * uniform))


def test_images_a_second_are_those_of_the_training_epochs_without_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    logged: dict[str, float] = {}
    trainer: Any = SimpleNamespace(world_size=2, current_epoch=1)
    module: Any = SimpleNamespace(items=30, item="image", log_dict=lambda figures, **_: logged.update(figures))
    clock = Clock()
    clock.on_train_start(trainer, module)
    for training, validation in ((2.0, 10.0), (4.0, 10.0)):
        clock.on_train_batch_end(trainer, module, None, (torch.zeros(30), torch.zeros(30)), 0)
        now[0] += training
        clock.on_validation_start(trainer, module)
        now[0] += validation
        clock.on_validation_end(trainer, module)
        clock.on_train_epoch_end(trainer, module)
    assert logged == {"seconds": 26.0, "seconds_per_epoch": 3.0, "images_per_second": 2 * 2 * 30 / 6.0, "epochs": 2.0}


@pytest.mark.parametrize("newest", ["last.ckpt", "previous.ckpt", "best.ckpt"])
def test_the_newest_of_three_readable_checkpoints_is_taken(newest: str, tmp_path: Path, monkeypatch) -> None:
    for name in ("last.ckpt", "previous.ckpt", "best.ckpt"):
        (tmp_path / name).write_text("9" if name == newest else "5")
    monkeypatch.setattr(resume, "read_checkpoint", lambda path: {"global_step": int(path.read_text())})
    assert resume._newest(tmp_path)[0] == tmp_path / newest


@pytest.mark.parametrize(
    ("error", "status"),
    [(KeyboardInterrupt(), "interrupted"), (Interrupted(2), "interrupted"), (ValueError("x"), "failed")],
)
def test_a_stop_is_no_failure(error: BaseException, status: str) -> None:
    assert status_of(error) == status


def test_what_does_not_decide_is_named_and_nothing_else(settings) -> None:
    named = {"command", "root", "num_workers", "resume", "plots", "checkpoint", "measure", "unread"}
    named |= {"tags", "notes", "profile", "predictions", "logger", "allow"}
    assert set(UNIMPORTANT) == named
    config = settings() | {"unread": []}
    kept = deciding(config)
    assert set(config) - set(kept) == set(UNIMPORTANT) & set(config)
    assert set(config["dataset"]) - set(kept["dataset"]) == {"root"}


def test_a_weight_of_one_axis_and_one_that_is_tied() -> None:
    net = nn.Sequential(nn.Linear(3, 3, bias=False), nn.PReLU(3), nn.Linear(3, 3, bias=False))
    net[2].weight = net[0].weight
    weights, others = parameter_groups(net, 0.1)
    assert weights["params"] == [net[0].weight]  # once
    assert others["params"] == [net[1].weight]
