"""Parts of a network at a rate of their own, worked out by hand."""

from torch import nn

from high_order_nets.layers import HighOrderLinear
from high_order_nets.optim.factory import make_optimizer, make_optimizers
from high_order_nets.optim.rates import Rate
from tests.optim import test_optimizers

Found = dict[str, tuple[list[str], float, float]]


def groups(net: nn.Module, rates: dict[str, Rate], **functions: float) -> Found:
    config = test_optimizers.settings(learning_rate=0.5)
    config |= {"functions": config["functions"] | functions}
    names = {parameter: name for name, parameter in net.named_parameters()}
    made = make_optimizer(config, net, rates).param_groups
    return {g["name"]: ([names[p] for p in g["params"]], g["lr"], g["weight_decay"]) for g in made}


def test_a_part_has_its_rate_and_the_decay_of_its_kind() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    found = groups(net, {"0.weight": Rate("0", 0.125), "0.bias": Rate("0", 0.125)})
    assert found == {
        "weights": (["1.weight"], 0.5, 0.5),
        "weights/0": (["0.weight"], 0.125, 0.5),
        "others": (["1.bias"], 0.5, 0.0),
        "others/0": (["0.bias"], 0.125, 0.0),
    }


def test_shared_functions_of_a_part_have_a_part_of_its_rate() -> None:
    net = nn.Sequential(*(HighOrderLinear(2, 2, "polynomial", sharing="channel", bias=False) for _ in range(2)))
    found = groups(net, {"0.shape": Rate("0", 0.125)}, lr=0.5, weight_decay=0.25)
    assert found["functions"] == (["1.shape"], 0.25, 0.25)
    assert found["functions/0"] == (["0.shape"], 0.0625, 0.25)


def test_a_schedule_multiplies_every_rate_and_rests_the_functions_of_a_part_too() -> None:
    net = HighOrderLinear(2, 2, "polynomial", sharing="channel", bias=False)
    config = test_optimizers.settings(learning_rate=0.5, scheduler={"name": "cosine"})
    config |= {"functions": config["functions"] | {"frozen": 0.5}}
    made = make_optimizers(config, net, 2, {name: Rate("all", 0.25) for name, _ in net.named_parameters()})
    optimizer, schedule = made["optimizer"], made["lr_scheduler"]["scheduler"]
    rates = []
    for _ in range(2):
        rates.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        schedule.step()
    assert rates == [[0.25, 0.0], [0.125, 0.125]]  # weights and functions; half of the cosine is one half
