"""What is shared, hooked, held or frozen survives a conversion, or is left with a reason."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from high_order_nets import convert
from high_order_nets.conversion.bonds import given_attributes, held_elsewhere, shared_parameters
from high_order_nets.conversion.swaps import ACTIVATIONS
from high_order_nets.errors import UserError
from high_order_nets.layers.layer_type import LAYERS
from high_order_nets.models.mlp import mlp
from tests.conversion.test_source import converted


class Tied(nn.Module):
    """An embedding whose table is the head's weight."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.inner, self.head = nn.Embedding(10, 8), nn.Linear(8, 8), nn.Linear(8, 10)
        self.head.weight = self.table.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.inner(self.table(x)))


def test_tied_weights_stay_tied() -> None:
    net, report = converted(Tied())
    assert net.head.weight is net.table.weight
    assert "tied: head.weight and table.weight" in str(report) or "tied: table.weight and head.weight" in str(report)
    assert [swap.name for swap in report.swapped] == ["inner"]
    two = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    two[1].weight = two[0].weight
    net, report = converted(two)
    assert report.parameters_after == report.parameters_before


def test_one_layer_in_two_places_is_one_layer_still() -> None:
    layer = nn.Linear(8, 8)
    net, _ = converted(nn.Sequential(layer, nn.Tanh(), layer))
    assert net[0] is net[2]
    assert net[0] is not layer


def double(*given: Any) -> Any:
    return 2 * given[-1]


HOOKS: dict[str, Callable[[nn.Module], Any]] = {
    "forward": lambda m: m.register_forward_hook(double),
    "with keywords": lambda m: m.register_forward_hook(double, with_kwargs=True),
    "before": lambda m: m.register_forward_pre_hook(lambda _m, x: (double(*x),)),
    "backward": lambda m: m.register_full_backward_hook(lambda *_: None),
    "state": lambda m: m.register_state_dict_post_hook(lambda *_: None),
    "weight norm": parametrizations.weight_norm,
    "parametrised": lambda m: parametrize.register_parametrization(m, "weight", nn.Identity()),
}


@pytest.mark.parametrize("hook", HOOKS)
def test_what_hangs_on_a_module_is_not_lost(hook: str) -> None:
    net = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    HOOKS[hook](net[0])
    new, report = converted(net)
    assert [swap.name for swap in report.swapped] == ["1"]
    assert "hooks" in str(report) or "parametrised" in str(report)
    x = torch.randn(3, 8)
    torch.testing.assert_close(new[0](x), net[0](x))


def test_norms_and_activations_with_hooks_stay() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3))
    for index in (1, 2):
        net[index].register_forward_hook(lambda *_: None)
    new, report = convert(net, "polynomial2d", n=3, norm="layer", linear_output=False)
    assert isinstance(new[1], nn.BatchNorm2d)
    assert isinstance(new[2], nn.ReLU)
    assert [(kept.name, kept.reason) for kept in report.kept] == [
        ("1", "it has hooks (forward_hooks)"),
        ("2", "it has hooks (forward_hooks)"),
    ]


def test_what_was_frozen_stays_frozen_and_new_weights_are_named() -> None:
    net = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    net[0].requires_grad_(False)
    new, report = converted(net)
    assert not any(p.requires_grad for p in new[0].parameters())
    assert all(p.requires_grad for p in new[1].parameters())
    assert "weights of swapped layers: new, to be trained" in str(report)
    assert "to be trained" not in str(convert(net, "standard")[1])


class Holds(nn.Module):
    """Holds its first layer, or what `held` gives of it, in a plain attribute too."""

    def __init__(self, held: Callable[[nn.Module], Any]) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)
        self.other = held(self.first)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x))


class Plain:
    """No module, but has one."""

    def __init__(self, part: Any) -> None:
        self.part = part


HELD: dict[str, Callable[[nn.Module], Any]] = {
    "tuple": lambda layer: (layer,),
    "weight": lambda layer: [layer.weight],
    "dict": lambda layer: {"a": [layer]},
    "object": Plain,
    "method": lambda layer: layer.forward,
    "optimizer": lambda layer: torch.optim.SGD(layer.parameters(), lr=0.1),
    "container": lambda layer: [nn.Sequential(layer, nn.ReLU())],
}


@pytest.mark.parametrize("held", HELD)
def test_what_is_held_outside_of_the_modules_is_left(held: str) -> None:
    net, report = converted(Holds(HELD[held]))
    assert [swap.name for swap in report.swapped] == ["second"]
    assert "Holds.other holds it too" in str(report)
    assert type(net.first) is nn.Linear


def named(thing: Any, layer: nn.Module) -> Any:
    thing.layer = layer
    return thing


ELSEWHERE: dict[str, Callable[[nn.Module], Any]] = {
    "class": lambda layer: named(type("Known", (), {}), layer),
    "function": lambda layer: named(lambda x: x, layer),
    "logger": lambda layer: named(logging.getLogger(f"{__name__}.holder"), layer),
}


@pytest.mark.parametrize("held", ELSEWHERE)
def test_what_a_copy_leaves_to_the_original_is_none_of_its_own(held: str) -> None:
    assert held_elsewhere(Holds(ELSEWHERE[held])) == {}


def test_places_of_a_shared_parameter_are_named_from_the_top() -> None:
    net = nn.Sequential(nn.Linear(8, 8))
    net.table = net[0].weight
    assert list(shared_parameters(net).values()) == ["table and 0.weight"]


@pytest.mark.parametrize("kind", [*LAYERS, *ACTIVATIONS.values(), nn.BatchNorm2d, nn.InstanceNorm1d])
def test_attributes_that_were_given_go_along(kind: type[nn.Module]) -> None:
    sizes = {"C": (2, 2, 1), "L": (2, 2), "B": (2,), "I": (2,)}  # of Conv…, Linear and the norms
    module: Any = kind(*sizes[kind.__name__[0]]) if kind in LAYERS or "Norm" in kind.__name__ else kind()
    assert given_attributes(module) == {}
    module.tag = "a"
    if kind in LAYERS:
        assert converted(nn.Sequential(module))[0][0].tag == "a"


def test_parts_that_were_given_and_a_forward_of_its_own_stay() -> None:
    net = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8))
    net[0].register_buffer("mask", torch.ones(8))
    net[1].forward = lambda x: 3 * x
    new, report = converted(net)
    assert [swap.name for swap in report.swapped] == ["2"]
    assert "parts of its own (mask)" in str(report)
    assert "a forward of its own" in str(report)
    x = torch.randn(2, 8)
    torch.testing.assert_close(new[:2](x), net[:2](x))


def test_frozen_weights_are_counted_and_norms_stay_frozen() -> None:
    net = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Linear(8, 8)).requires_grad_(False)
    net[2].requires_grad_(True)
    new: Any
    new, report = converted(net, norm="group")
    assert "to be trained; 1 of 2 are frozen" in str(report)
    assert isinstance(new[1], nn.GroupNorm)
    assert [any(p.requires_grad for p in m.parameters()) for m in new] == [False, False, True]


@pytest.mark.parametrize("hook", HOOKS)
def test_widths_do_not_lose_what_hangs_on_a_layer(hook: str) -> None:
    net = mlp(10, 1, 8, hidden_width=16)
    HOOKS[hook](net[1][0])
    with pytest.raises(UserError, match=r"rescale_planes=2: cannot resize 1\.0: it"):
        convert(net, "standard", rescale_planes=2)


def test_widths_keep_what_is_frozen_shared_and_said() -> None:
    net: Any = torchvision.models.resnet18(
        num_classes=5, norm_layer=lambda c: nn.BatchNorm2d(c, track_running_stats=False)
    )
    net.layer1.requires_grad_(False)
    net.layer1[1].bn2 = net.layer1[0].bn2
    net.conv1.tag = "a"
    new, report = convert(net.eval(), "standard", rescale_planes=2)
    assert "widths: divided by 2; all weights are new" in str(report)
    assert not any(p.requires_grad for p in new.layer1.parameters())
    assert new.layer1[1].bn2 is new.layer1[0].bn2
    assert new.bn1.running_mean is None
    assert new.conv1.tag == "a"
    assert not any(m.training for m in new.modules())
