"""Functions are not weights: rate and decay of those that are shared, and decay by degree, worked out by hand."""

from functools import partial
from typing import Any

import pytest
import pytorch_optimizer
import torch
from lion_pytorch import Lion
from torch import Tensor, nn

from high_order_nets.layers import HighOrderConv2d, HighOrderLinear
from high_order_nets.layers.bending import roughness
from high_order_nets.optim.factory import make_optimizer, make_optimizers
from high_order_nets.optim.groups import parameter_groups, regroup
from high_order_nets.optim.schedules import relative_rate
from high_order_nets.tasks import Classification
from high_order_nets.tasks.smoothness import Smoothness
from tests.optim import test_optimizers
from tests.tasks.test_base import BATCH, fit


def settings(**functions: Any) -> dict[str, Any]:
    """The settings of an optimizer with these knobs of functions."""
    config = test_optimizers.settings()
    return config | {"functions": config["functions"] | functions}


def shared(**options: Any) -> HighOrderLinear:
    return HighOrderLinear(2, 2, "polynomial", n=4, sharing="channel", init="mixed", bias=True, **options)


@pytest.mark.parametrize(("decay", "given"), [(None, 0.5), (0.0, 0.0), (0.25, 0.25)])
@pytest.mark.parametrize("rate", [1.0, 0.5, 0.0])
def test_the_functions_have_a_rate_and_a_decay_of_their_own(rate: float, decay: float | None, given: float) -> None:
    net = shared()
    optimizer = make_optimizer(settings(lr=rate, weight_decay=decay), net)
    found = {id(p): (g["lr"], g["weight_decay"]) for g in optimizer.param_groups for p in g["params"]}
    assert [found[id(p)] for p in (net.weight, net.bias, net.shape)] == [(0.25, 0.5), (0.25, 0.0), (rate * 0.25, given)]


def test_deviations_have_a_decay_of_their_own_and_the_master_that_of_functions() -> None:
    net = nn.ModuleList([shared(), HighOrderLinear(2, 2, "polynomial", sharing="deviation")])
    optimizer = make_optimizer(settings(lr=0.5, weight_decay=0.125, deviation_decay=0.0625), net)
    groups = {group["name"]: (group["params"], group["lr"], group["weight_decay"]) for group in optimizer.param_groups}
    assert list(groups) == ["weights", "others", "functions", "deviations"]
    assert groups["functions"] == ([net[0].shape, net[1].master], 0.125, 0.125)
    assert groups["deviations"] == ([net[1].shape], 0.125, 0.0625)
    made = make_optimizers(settings(frozen=0.5), net, 2)
    assert [group["lr"] for group in made["optimizer"].param_groups] == [0.25, 0.25, 0.0, 0.0]


@pytest.mark.parametrize("scheduler", ["cosine", "one_cycle", "plateau"])
def test_their_rate_stays_the_same_part_of_the_others(scheduler: str) -> None:
    node = {"name": scheduler, "pct_start": 0.5, "factor": 0.5, "patience": 0}
    warmup = 0 if scheduler == "plateau" else 2
    config = settings(lr=0.25) | {"scheduler": node, "warmup_epochs": warmup}
    made = make_optimizers(config, shared(), 10)
    optimizer, schedule = made["optimizer"], made["lr_scheduler"]["scheduler"]
    rates = []
    for _ in range(10):
        optimizer.step()
        schedule.step(*([1.0] if scheduler == "plateau" else []))
        weights, others, functions = (group["lr"] for group in optimizer.param_groups)
        assert (others, functions) == (weights, pytest.approx(weights / 4))
        rates.append(weights)
    assert len(set(rates)) > 3


@pytest.mark.parametrize(
    ("frozen", "until", "parts"),
    [
        (0.0, 1.0, [1.0] * 10),
        (0.3, 1.0, [0.0] * 3 + [1.0] * 7),
        (0.0, 0.5, [1.0, 0.8, 0.6, 0.4, 0.2] + [0.0] * 5),
        (0.2, 0.6, [0.0, 0.0, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0, 0.0, 0.0]),
    ],
)
@pytest.mark.parametrize("scheduler", ["cosine", "none"])
def test_they_stay_for_a_part_of_the_steps_and_end_before_the_others(
    scheduler: str, frozen: float, until: float, parts: list[float]
) -> None:
    config = settings(frozen=frozen, until=until, lr=0.5) | {"scheduler": {"name": scheduler}}
    made = make_optimizers(config, shared(), 10)
    if "lr_scheduler" not in made:
        assert (scheduler, frozen, until) == ("none", 0.0, 1.0)
        return
    optimizer, schedule = made["optimizer"], made["lr_scheduler"]["scheduler"]
    for step, part in enumerate(parts):
        weights, others, functions = (group["lr"] for group in optimizer.param_groups)
        assert weights == others == pytest.approx(0.25 * relative_rate({"name": scheduler}, step / 10))
        assert functions == pytest.approx(0.5 * part * weights)
        assert part or functions == 0
        optimizer.step()
        schedule.step()


def test_a_checkpoint_keeps_the_decay_that_its_group_has() -> None:
    net = shared()
    old = torch.optim.SGD(parameter_groups(net, 0.5), lr=0.1)
    checkpoint: dict[str, Any] = {"optimizer_states": [old.state_dict()], "lr_schedulers": []}
    regroup(checkpoint, net)
    new = make_optimizer(settings(weight_decay=0.0), net)
    assert new.param_groups[2]["weight_decay"] == 0.0
    new.load_state_dict(checkpoint["optimizer_states"][0])
    assert [group["weight_decay"] for group in new.param_groups] == [0.5, 0.0, 0.5]


def test_smoothness_is_minimised_and_the_loss_stays_the_tasks_own(monkeypatch: pytest.MonkeyPatch) -> None:
    net = nn.Sequential(nn.Flatten(), shared(), shared(), HighOrderLinear(2, 2, "polynomial"))
    task = Classification(net, 2, lambda *_: None, objective=Smoothness(0.125))
    logged: dict[str, float] = {}
    monkeypatch.setattr(task, "log_dict", lambda *_, **__: None)
    monkeypatch.setattr(task, "log", lambda name, value, **_: logged.update({name: value.item()}))
    plain = task.outcome(BATCH, "val").loss
    bends = sum(roughness(net[place]).item() for place in (1, 2))  # type: ignore[arg-type]
    assert task.training_step(BATCH).item() == pytest.approx(plain.item() + 0.125 * bends)
    assert logged == {"train_loss_step": pytest.approx(plain.item())}


def test_smoothness_without_shared_functions_adds_nothing() -> None:
    objective, loss = Smoothness(1.0), torch.tensor(3.0)
    objective.attach(Classification(HighOrderLinear(2, 2, "polynomial"), 2, lambda *_: None))
    assert objective(loss, BATCH, None) is loss


class Net(nn.Module):
    """A function a connection, of degrees 1 to 4 and frequencies 1 and 2; shared and nodal ones beside them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = HighOrderConv2d(2, 2, 1, "polynomial", n=5, parameters="spectral", init="variance_preserving")
        self.wave = HighOrderLinear(2, 2, "fourier", n=4, parameters="spectral", init="variance_preserving", bias=True)
        self.shared, self.nodal = shared(parameters="spectral"), HighOrderLinear(2, 2, "polynomial")

    def forward(self, x: Tensor) -> Tensor:
        return self.nodal(self.shared(self.wave(self.conv(x).flatten(1))))


def steps_by_hand(net: Net, optimizer: Any, decays: dict[str, Tensor], *, coupled: bool) -> None:
    """Two steps of an optimizer without decay, with that of each number by hand."""
    for _ in range(2):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(BATCH[0].double()), BATCH[1]).backward(create_graph=not coupled)
        nn.utils.clip_grad_norm_(net.parameters(), 0.01)
        lost = {name: decays[name] * p.detach() for name, p in net.named_parameters()}
        with torch.no_grad():
            for name, p in net.named_parameters():
                p.grad.add_(lost[name] * coupled)  # type: ignore[union-attr]
        optimizer.step()
        with torch.no_grad():
            for name, p in net.named_parameters():
                p.sub_(optimizer.param_groups[0]["lr"] * lost[name] * (not coupled))


def decays_of(net: Net) -> dict[str, Tensor]:
    """0.5 for weights, times 2 for degree 1, 5 for degree 2, and 0 from degree 3 on; 0.25 for shared functions."""
    decays = {name: torch.full_like(p, 0.0 if name.endswith("bias") else 0.5) for name, p in net.named_parameters()}
    decays["conv.weight"] *= torch.tensor([2.0, 5, 0, 0])[:, None, None, None]
    decays["wave.weight"] *= torch.tensor([2.0, 2, 5])[:, None]
    decays["shared.shape"] *= 0.5
    return decays


COUPLED: dict[str, Any] = {"sgd": partial(torch.optim.SGD, momentum=0.9, nesterov=True), "adam": torch.optim.Adam}
DECOUPLED: dict[str, Any] = {
    "adamw": torch.optim.AdamW,
    "lion": Lion,
    "adahessian": pytorch_optimizer.AdaHessian,
    "sophia": pytorch_optimizer.SophiaH,
}


def made(name: str, groups: Any) -> torch.optim.Optimizer:
    """Make an optimizer that begins each step with the same random numbers."""
    optimizer = (COUPLED | DECOUPLED)[name](groups, lr=0.01)
    optimizer.register_step_pre_hook(lambda *_: torch.manual_seed(1) and None)
    return optimizer


@pytest.mark.parametrize("name", [*COUPLED, *DECOUPLED])
def test_a_step_decays_by_degree(name: str) -> None:
    net, twin = Net().double(), Net().double()
    twin.load_state_dict(net.state_dict())
    optimizer = made(name, parameter_groups(net, 0.5, functions={"weight_decay": 0.25}))
    task = Classification(
        net,
        2,
        lambda *_: optimizer,
        create_graph=name in ("adahessian", "sophia"),
        decay_by_degree=[2.0, 5.0, 0.0],
    )
    fit(task, precision="64-true", gradient_clip_val=0.01)
    by_hand = made(name, parameter_groups(twin, 0.0))
    steps_by_hand(twin, by_hand, decays_of(twin), coupled=name in COUPLED)
    for (key, found), expected in zip(net.named_parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12, msg=key)


def test_factors_of_one_change_nothing() -> None:
    ends = []
    for factors in ([1.0], None):
        torch.manual_seed(0)
        net = Net()
        groups = parameter_groups(net, 0.5)
        fit(Classification(net, 2, lambda *_, g=groups: torch.optim.SGD(g, lr=0.1), decay_by_degree=factors))
        ends.append(net.state_dict())
    assert all(ends[0][key].equal(ends[1][key]) for key in ends[0])


def test_frozen_weights_stay() -> None:
    net = Net()
    net.conv.requires_grad_(False)
    before = net.conv.weight.clone()
    groups = parameter_groups(net, 0.5)
    fit(Classification(net, 2, lambda *_: torch.optim.AdamW(groups, lr=0.1), decay_by_degree=[3.0]))
    assert net.conv.weight.equal(before)
