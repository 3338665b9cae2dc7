"""Networks whose owners read, share or watch what convert would swap: after it, all ways to evaluate agree."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from high_order_nets import convert
from high_order_nets.report import Report

OPTIONS: tuple[dict[str, Any], ...] = ({}, {"sharing": "channel", "init": "mixed", "parameters": "nodal"})


class ByHelper(nn.Module):
    """Reads a weight in a method that its forward calls."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)

    def helper(self, x: Tensor) -> Tensor:
        return F.linear(x, self.first.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.helper(x))


class ByGetattr(ByHelper):
    """Reads it by name."""

    def helper(self, x: Tensor) -> Tensor:
        return F.linear(x, getattr(self.first, "weight"))  # noqa: B009


class ByProperty(ByHelper):
    """Reads it in a property."""

    @property
    def table(self) -> Tensor:
        return self.first.weight

    def helper(self, x: Tensor) -> Tensor:
        return F.linear(x, self.table)


class Grandparent(nn.Module):
    """Reads the weight of its child's child."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.block[0].weight) + self.block(x)  # type: ignore[arg-type]


class ByLoop(nn.Module):
    """Reads weights of what it loops over."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(8, 8), nn.Linear(8, 8)])

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = F.linear(x, layer.weight)  # type: ignore[arg-type]
        return x


class Asks(nn.Module):
    """Asks a weight for its device alone, and reads weights only to start them."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(8, 8)
        self.reset()

    def reset(self) -> None:
        nn.init.zeros_(self.fc.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x.to(self.fc.weight.device))


READERS: dict[str, Callable[[], nn.Module]] = {
    "encoder layer": lambda: nn.TransformerEncoderLayer(8, 2, 32, batch_first=True),
    "encoder": lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 32, batch_first=True), 2),
    "helper": ByHelper,
    "getattr": ByGetattr,
    "property": ByProperty,
    "grandparent": Grandparent,
    "loop": ByLoop,
    "asks": Asks,
}


def converted(net: nn.Module, **options: Any) -> tuple[nn.Module, Report]:
    return convert(net, "polynomial", n=3, linear_output=False, activation="keep", **options)


@pytest.mark.filterwarnings("ignore:.*nested tensor")
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("name", READERS)
def test_all_ways_to_evaluate_agree(name: str, options: dict[str, Any]) -> None:
    net, _ = converted(READERS[name](), **options)
    for module in net.modules():
        if isinstance(module, nn.Dropout | nn.MultiheadAttention):
            setattr(module, "p" if isinstance(module, nn.Dropout) else "dropout", 0.0)
    x = torch.randn(2, 5, 8)
    expected = net.train()(x).detach()
    torch.testing.assert_close(net.eval()(x).detach(), expected, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(net(x), expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(net.train()(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "swapped"),
    [
        *(("encoder layer", 2), ("encoder", 4), ("helper", 1), ("getattr", 1), ("property", 1)),
        *(("grandparent", 0), ("loop", 0), ("asks", 1)),  # which of the parts it means is not told apart
    ],
)
def test_what_is_not_read_is_swapped(name: str, swapped: int) -> None:
    _, report = converted(READERS[name]())
    assert len([swap for swap in report.swapped if swap.fresh]) == swapped


def test_a_class_without_source_is_left_where_its_code_names_weights() -> None:
    scope: dict[str, Any] = {"nn": nn, "F": F}
    code = "class Typed(nn.Module):\n def __init__(self):\n  super().__init__()\n  self.fc = nn.Linear(8, 8)\n"
    exec(code + " def forward(self, x): return F.linear(x, self.fc.weight)\n", scope)
    _, report = converted(scope["Typed"]())
    assert "Typed.forward reads its weight" in str(report)


def test_a_library_class_keeps_its_parts() -> None:
    _, report = converted(nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5]))
    assert not report.swapped
    assert "part of AdaptiveLogSoftmaxWithLoss" in str(report)


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
    assert str(report).count("it has hooks") == 2


def test_what_was_frozen_stays_frozen_and_new_weights_are_named() -> None:
    net = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    net[0].requires_grad_(False)
    new, report = converted(net)
    assert not any(p.requires_grad for p in new[0].parameters())
    assert all(p.requires_grad for p in new[1].parameters())
    assert "weights of swapped layers: new, to be trained" in str(report)
    assert "to be trained" not in str(convert(net, "standard")[1])
