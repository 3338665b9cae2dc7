"""Where the outputs of activations go."""

from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import densenet121, resnet18, vgg11

from high_order_nets.conversion.flow import Flow

NAMES = (nn.ReLU, nn.LeakyReLU, nn.GELU, nn.PReLU)


def activations(net: nn.Module) -> dict[str, nn.Module]:
    return {name: module for name, module in net.named_modules() if isinstance(module, NAMES)}


def layers(net: nn.Module) -> list[str]:
    return [name for name, module in net.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)]


def stays(net: nn.Module, **options: Any) -> dict[str, str]:
    return Flow(net).stays(activations(net), layers(net), lambda *_: True, **options)


def before(net: nn.Module, layer: str) -> nn.Module | None:
    return Flow(net).before(layer, activations(net))


def test_an_activation_between_two_layers_is_free() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(), nn.Flatten(), nn.Linear(8, 3))
    assert stays(net) == {}
    assert before(net, "5") is net[1]
    assert before(net, "0") is None


def test_a_mean_is_none_of_a_function() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 3))
    assert stays(net) == {"1": "in front of AdaptiveAvgPool2d"}
    assert before(net, "4") is None


def test_the_largest_is_that_of_an_activation_only_if_it_never_falls() -> None:
    rising, other = (
        nn.Sequential(nn.Conv2d(1, 2, 3), kind(), nn.MaxPool2d(2), nn.Conv2d(2, 2, 1)) for kind in (nn.ReLU, nn.GELU)
    )
    assert isinstance(before(rising, "3"), nn.ReLU)
    assert before(other, "3") is None
    assert stays(other) == {"1": "the functions behind it cannot take it over"}


def test_what_one_layer_cannot_hold_stays_for_all() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    found = Flow(net).stays(activations(net), ["0", "2", "4"], lambda name, _: name == "4")
    assert found == {"1": "the functions behind it cannot take it over"}
    assert Flow(net).stays(activations(net), ["0", "2"], lambda *_: True) == {"3": "in front of Linear"}


class Joined(nn.Module):
    """Two branches, activated apart, that one layer gets side by side."""

    def __init__(self, *kinds: type[nn.Module]):
        super().__init__()
        self.a, self.b = (kind() for kind in kinds)
        self.first, self.last = nn.Linear(3, 2), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        return self.last(torch.cat([self.a(y.view(y.size(0), -1)), self.b(y)], 1))


def test_branches_are_joined_where_their_activations_are_the_same() -> None:
    same, mixed = Joined(nn.ReLU, nn.ReLU), Joined(nn.ReLU, nn.LeakyReLU)
    assert isinstance(before(same, "last"), nn.ReLU)
    assert stays(same) == {}
    assert before(mixed, "last") is None
    assert stays(mixed).keys() == {"a", "b"}


def test_slopes_of_channels_are_no_single_function() -> None:
    one, several = (nn.Sequential(nn.Linear(2, 2), nn.PReLU(count), nn.Linear(2, 2)) for count in (1, 2))
    assert before(one, "2") is one[1]
    assert stays(several).keys() == {"1"}


class InPlace(nn.Module):
    """An activation whose input is used after it has changed."""

    def __init__(self) -> None:
        super().__init__()
        self.relu, self.first, self.last = nn.ReLU(inplace=True), nn.Linear(2, 2), nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        return self.last(self.relu(y)) + y


def test_what_changes_in_place_must_be_seen_nowhere_else() -> None:
    assert stays(InPlace()) == {"relu": "what it changes in place is used elsewhere too"}


class Steered(nn.Module):
    """A forward pass that numbers decide over, and that leaves a trace in the module."""

    def __init__(self) -> None:
        super().__init__()
        self.relu, self.last = nn.ReLU(), nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        self.seen = x
        return self.last(self.relu(x)) if x.sum() > 0 else x


def test_what_cannot_be_followed_keeps_its_activations() -> None:
    net = Steered()
    assert stays(net) == {"relu": "its forward cannot be followed: TraceError"}
    assert not hasattr(net, "seen")


def test_torchvisions_networks() -> None:
    assert set(stays(vgg11(num_classes=2)).values()) == {"in front of AdaptiveAvgPool2d"}
    blocks = stays(resnet18(num_classes=2))  # a stage begins with convolutions alone
    assert sorted(blocks.values()) == [
        "in front of AdaptiveAvgPool2d",
        *["in front of add"] * 5,
    ]
    dense = stays(densenet121(num_classes=2))
    assert dense == {"features.relu0": "in front of BatchNorm2d"}  # F.relu, at the end, is no module
