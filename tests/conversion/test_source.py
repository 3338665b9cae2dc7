"""Networks whose owners read the weights of what convert would swap: after it, all ways to evaluate agree."""

from collections.abc import Callable
from functools import cached_property
from types import ModuleType
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from high_order_nets import convert
from high_order_nets.conversion.report import Report
from high_order_nets.conversion.source import reader_of

OPTIONS: tuple[dict[str, Any], ...] = ({}, {"sharing": "channel", "init": "mixed", "parameters": "nodal"})


class Owner(nn.Module):
    """Has two layers; how it uses the first is for its subclasses to say."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)

    def helper(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.helper(x))


class ByHelper(Owner):
    """Reads a weight in a method that its forward calls."""

    def helper(self, x: Tensor) -> Tensor:
        return F.linear(x, self.first.weight)


class ByGetattr(Owner):
    """Reads it by name."""

    def helper(self, x: Tensor) -> Tensor:
        return F.linear(x, getattr(self.first, "weight"))  # noqa: B009


class ByProperty(Owner):
    """Reads it in a property."""

    @property
    def table(self) -> Any:
        return self.first.weight

    def helper(self, x: Tensor) -> Tensor:
        return F.linear(x, self.table)


class ByCachedProperty(Owner):
    """Reads it in a property that is kept."""

    @cached_property
    def table(self) -> Any:
        return self.first.weight

    def helper(self, x: Tensor) -> Tensor:
        return F.linear(x, self.table)


def free(block: Any, x: Tensor) -> Tensor:
    return F.linear(x, block.first.weight)


class ByFunction(Owner):
    """Calls a function of the module that reads it."""

    def helper(self, x: Tensor) -> Tensor:
        return free(self, x)


def decorated(method: Callable) -> Callable:
    def inner(*args: Any) -> Tensor:
        return method(*args)

    return inner


class ByDecorated(Owner):
    """Reads it behind a decorator that does not say what it wraps."""

    @decorated
    def helper(self, x: Tensor) -> Tensor:
        return F.linear(x, self.first.weight)


class ByStart(Owner):
    """Reads it in a method whose name sounds as if it drew weights, but that the forward pass calls."""

    def init_state(self, x: Tensor) -> Tensor:
        return F.linear(x, self.first.weight)

    def finite(self, x: Tensor) -> Tensor:
        return self.init_state(x)

    def helper(self, x: Tensor) -> Tensor:
        return self.finite(x)


class ByPath(Owner):
    """Reads it by its path."""

    def helper(self, x: Tensor) -> Tensor:
        return F.linear(x, self.get_parameter("first.weight"))


class ByState(Owner):
    """Reads it out of the state."""

    def helper(self, x: Tensor) -> Tensor:
        state: Any = self.first.state_dict()
        return F.linear(x, state["weight"])


class ByParameters(Owner):
    """Takes the first of the parameters."""

    def helper(self, x: Tensor) -> Tensor:
        return F.linear(x, next(self.first.parameters()))


class BySomeName(Owner):
    """Reads it by a name that nobody can foresee."""

    def helper(self, x: Tensor) -> Tensor:
        name = "".join(["wei", "ght"])
        return F.linear(x, getattr(self.first, name))


class ByFunctionalCall(Owner):
    """Gives the layer weights for those of its own."""

    def helper(self, x: Tensor) -> Tensor:
        return functional_call(self.first, {"weight": torch.eye(8), "bias": torch.zeros(8)}, x)


def multiplied(layer: Any, x: Tensor) -> Tensor:
    return F.linear(x, layer.weight)


twice_decorated = decorated(decorated(multiplied))
tools = ModuleType("own.tools")
tools.multiplied_there = multiplied  # type: ignore[attr-defined]


class ByBareFunction(Owner):
    """Calls a function that is given the layer itself."""

    def helper(self, x: Tensor) -> Tensor:
        return multiplied(self.first, x)


class ByDecoratedFunction(Owner):
    """Calls such a function behind decorators that do not say what they wrap."""

    def helper(self, x: Tensor) -> Tensor:
        return twice_decorated(self.first, x)


class ByModule(Owner):
    """Calls such a function by the module that it is in."""

    def helper(self, x: Tensor) -> Tensor:
        return tools.multiplied_there(self.first, x)


class AsksSize(Owner):
    """Asks the layer by name for what its successor has too."""

    def helper(self, x: Tensor) -> Tensor:
        return self.first(x) * getattr(self.first, "in_features")  # noqa: B009


def weigh(owner: nn.Module, _: Any, y: Tensor) -> Tensor:
    return F.linear(y, owner[0].weight)


def hooked() -> nn.Module:
    net = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    net.register_forward_hook(weigh)
    return net


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
    "helper": ByHelper,
    "getattr": ByGetattr,
    "property": ByProperty,
    "cached property": ByCachedProperty,
    "function": ByFunction,
    "decorated": ByDecorated,
    "start": ByStart,
    "path": ByPath,
    "state": ByState,
    "parameters": ByParameters,
    "some name": BySomeName,
    "functional call": ByFunctionalCall,
    "bare function": ByBareFunction,
    "decorated function": ByDecoratedFunction,
    "module": ByModule,
    "asks size": AsksSize,
    "hook": hooked,
    "grandparent": Grandparent,
    "loop": ByLoop,
    "asks": Asks,
}


def converted(net: nn.Module, **options: Any) -> tuple[nn.Module, Report]:
    return convert(net, "polynomial", n=3, linear_output=False, activation="keep", **options)


def assert_all_ways_agree(net: nn.Module, x: Tensor) -> None:
    expected = net.train()(x).detach()
    torch.testing.assert_close(net.eval()(x).detach(), expected, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(net(x), expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(net.train()(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("name", READERS)
def test_all_ways_to_evaluate_agree(name: str, options: dict[str, Any]) -> None:
    net, _ = converted(READERS[name](), **options)
    assert_all_ways_agree(net, torch.randn(2, 5, 8))


class ReadsNorm(nn.Module):
    """Normalises with another module's statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        return F.batch_norm(self.conv(x), self.norm.running_mean, self.norm.running_var, eps=self.norm.eps)


def test_a_norm_whose_statistics_are_read_stays() -> None:
    net, report = convert(ReadsNorm(), "standard", norm="max_abs")
    assert isinstance(net.norm, nn.BatchNorm2d)
    assert "ReadsNorm.forward reads its" in str(report)
    assert_all_ways_agree(net, torch.randn(2, 3, 5, 5))


@pytest.mark.parametrize(
    ("name", "swapped"),
    [
        *(("helper", 1), ("getattr", 1), ("property", 1)),
        *(("cached property", 1), ("function", 1), ("decorated", 1), ("start", 1), ("path", 1), ("state", 1)),
        *(("parameters", 1), ("some name", 1), ("functional call", 1), ("asks size", 2), ("asks", 1)),
        *(("hook", 0), ("grandparent", 0), ("loop", 0)),  # which of the parts it means is not told apart
        *(("bare function", 0), ("decorated function", 0), ("module", 0)),
    ],
)
def test_what_is_not_read_is_swapped(name: str, swapped: int) -> None:
    _, report = converted(READERS[name]())
    assert len([swap for swap in report.swapped if swap.fresh]) == swapped


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("helper", "ByHelper.helper reads its weight"),
        ("getattr", "ByGetattr.helper reads its weight"),
        ("some name", "BySomeName.helper reads its attributes"),
        ("functional call", "ByFunctionalCall.helper reads its parameters"),
        ("state", "ByState.helper reads its parameters"),
        ("bare function", "ByBareFunction.helper reads its weight"),
        ("module", "ByModule.helper reads its weight"),
        ("hook", "Sequential.forward_hooks reads its weight"),
    ],
)
def test_who_reads_what_is_said(name: str, said: str) -> None:
    net = READERS[name]()
    assert reader_of(net, next(iter(dict(net.named_children())))) == said


def test_a_module_has_no_owner_but_those_outside_of_it() -> None:
    assert reader_of(nn.BatchNorm1d(4), "") is None


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


class Counts(nn.Module):
    """Looks at its parts in methods that are no part of the forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))

    def count(self) -> int:
        return sum(p.numel() for p in self.body.parameters())

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


def test_counting_is_no_reading() -> None:
    assert len(converted(Counts())[1].swapped) == 2


def test_what_holds_bare_weights_or_is_compiled_is_named() -> None:
    _, report = converted(nn.Sequential(nn.LSTM(8, 8), nn.GRUCell(8, 8), nn.Bilinear(8, 8, 8)))
    assert [(kept.kind, kept.reason) for kept in report.kept] == [
        (kind, "its projections are bare parameters") for kind in ("LSTM", "GRUCell", "Bilinear")
    ]
