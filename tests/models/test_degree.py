"""The degree meter on networks of a known degree."""

import pytest
import torch
from torch import nn

from high_order_nets.models.degree import degrees, is_polynomial
from high_order_nets.models.resnet import pinet
from tests.models.blocks.kinds import kind, made


def straight(net: nn.Module) -> nn.Module:
    """Take the activations out, and draw all norms' parameters and statistics."""
    for module in list(net.modules()):
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                nn.init.uniform_(tensor, 0.5, 1.5)  # type: ignore[arg-type]
        for name, child in module.named_children():
            if isinstance(child, nn.ReLU):
                setattr(module, name, nn.Identity())
    return net


@pytest.mark.parametrize(("blocks", "degree"), [(1, 2), (2, 4), (3, 8), (4, 16)])
def test_pi_blocks_without_activations_are_of_degree_two_to_their_number(blocks: int, degree: int) -> None:
    net = straight(nn.Sequential(*(made(kind("pi"), 3, 3, 1) for _ in range(blocks))))
    lines = torch.randn(2, 3, 3, 5, 5)
    assert degrees(net, *lines, reach=3) == [degree] * 3


@pytest.mark.parametrize(
    ("name", "options", "degree"),
    [
        ("residual", {}, 1),
        ("pi1x1", {}, 2),
        ("table5", {}, 2),
        ("table5_sum", {}, 1),
        ("ncp", {}, 3),
        ("ncp", {"degree": 5}, 5),
        ("ncp", {"recursion": "ccp", "degree": 4}, 4),
    ],
)
def test_a_block_has_the_degree_that_it_says(name: str, options: dict, degree: int) -> None:
    net = straight(made(kind(name, **options), 3, 6, 2))
    assert degrees(net, *torch.randn(2, 2, 3, 6, 6)) == [degree] * 2


def test_a_network_with_activations_has_no_degree() -> None:
    net = made(kind("pi"), 3, 3, 1).train()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    assert degrees(net, *torch.randn(2, 1, 3, 5, 5)) == [32]
    assert net.training
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


def test_polynomial_is_what_multiplies_and_does_not_bend() -> None:
    with torch.device("meta"):
        found = {name: is_polynomial(pinet(4, kind(name), [1, 1, 1, 1])) for name in ("residual", "pi", "rpoly")}
        assert found == {"residual": False, "pi": False, "rpoly": True}
        assert is_polynomial(straight(pinet(4, kind("pi"), [1, 1, 1, 1])))
        assert not is_polynomial(straight(pinet(4, kind("residual"), [1, 1, 1, 1])))
