"""drop_path: which branches are left out, how often, and what stays of the others."""

from copy import deepcopy
from typing import Any

import pytest
import torch
import torchvision
from torch import nn
from torchvision.ops import StochasticDepth, stochastic_depth

from high_order_nets import convert
from high_order_nets.errors import UserError
from high_order_nets.models.blocks import BlockType
from high_order_nets.models.drop_path import set_drop_path
from high_order_nets.models.resnet import pinet, resnet10
from high_order_nets.models.transformer import transformer

NETS: dict[str, Any] = {
    "ours": lambda: resnet10(3),
    "preact": lambda: resnet10(3, BlockType("preact")),
    "bottleneck": lambda: pinet(3, layers=(1, 1, 1, 1), planes=(8, 8, 8, 8), bottleneck=True),
    "basic of torchvision": lambda: torchvision.models.resnet18(num_classes=3),
    "bottleneck of torchvision": lambda: torchvision.models.resnext50_32x4d(num_classes=3),
    "transformer": lambda: transformer(vocabulary=7, context=5, emsize=8, nhid=8, nlayers=3),
}


def rates(net: nn.Module) -> list[float]:
    return [module.p for module in net.modules() if isinstance(module, StochasticDepth)]


@pytest.mark.parametrize("kind", NETS)
def test_the_probability_grows_evenly_to_that_of_the_last_block(kind: str) -> None:
    net = NETS[kind]()
    before = net.state_dict().keys()
    set_drop_path(net, 0.4)
    found = rates(net)
    assert found == pytest.approx([0.4 * (place + 1) / len(found) for place in range(len(found))])
    assert len(found) == {"basic of torchvision": 8, "bottleneck of torchvision": 16, "transformer": 3}.get(kind, 4)
    assert net.state_dict().keys() == before


def test_what_a_network_had_turned_off_grows_evenly() -> None:
    net = nn.Sequential(*(StochasticDepth(0.0, "row") for _ in range(4)))
    set_drop_path(net, 0.4)
    assert rates(net) == pytest.approx([0.1, 0.2, 0.3, 0.4])


@pytest.mark.parametrize("kind", ["ours", "basic of torchvision"])
def test_a_block_is_that_of_torchvisions_function(kind: str) -> None:
    """relu(drop(F) + S), with the mask that torchvision.ops.stochastic_depth draws from the same seed."""
    net = NETS[kind]()
    set_drop_path(net, 0.5)
    block = net.layer4[-1]
    if kind == "ours":
        block = net.layer1[0]
        block.drop.p = 0.5
    x = torch.randn(64, block.conv1.in_channels, 4, 4).relu()
    torch.manual_seed(5)
    found = block.train()(x)
    branch = block.bn2.forward(block.conv2(block.bn1(block.conv1(x)).relu()))  # without what follows the norm
    torch.manual_seed(5)
    torch.testing.assert_close(found, (stochastic_depth(branch, 0.5, "row") + x).relu())
    dropped = (found == x).flatten(1).all(1)
    assert 16 < int(dropped.sum()) < 48
    torch.testing.assert_close(block.eval()(x), (block.bn2(block.conv2(block.bn1(block.conv1(x)).relu())) + x).relu())


def test_the_mean_is_that_without_dropping() -> None:
    """4,000 masks: the mean output of a linear block is within 5 standard errors of the evaluation's."""
    block = NETS["ours"]().layer1[0]
    set_drop_path(block, 0.3)
    block.relu, block.bn1, block.bn2 = nn.Identity(), nn.Identity(), nn.Identity()
    x = torch.randn(1, 64, 2, 2)
    expected, found = block.eval()(x), block.train()(x.expand(4_000, -1, -1, -1))
    error = (found - expected).mean(0).abs() / (found.std(0) / 4_000**0.5 + 1e-6)
    assert float(error.detach().max()) < 5


@pytest.mark.parametrize("name", ["convnext_tiny", "swin_t"])
def test_networks_with_stochastic_depth_keep_how_it_grows(name: str) -> None:
    net = getattr(torchvision.models, name)(num_classes=3)
    own = rates(net)
    set_drop_path(net, 0.35)
    assert rates(net) == pytest.approx([0.35 * each / max(own) for each in own])
    assert max(rates(net)) == pytest.approx(0.35)
    set_drop_path(net, 0.0)
    assert not any(rates(net))


def test_a_converted_copy_drops_by_itself() -> None:
    net, _ = convert(NETS["basic of torchvision"](), "polynomial2d", n=2, norm="none")
    set_drop_path(net, 1 - 1e-9)
    other = deepcopy(net).train()
    other.layer4[-1].drop.eval()
    x = torch.randn(2, 512, 2, 2)
    assert net.layer4[-1].train()(x).equal(x)
    assert not other.layer4[-1](x).equal(x)


@pytest.mark.parametrize(
    ("net", "said"),
    [
        (nn.Linear(2, 2), "the network has no such blocks"),
        (resnet10(3, BlockType("pi")), "a block of Pi does more than add a branch"),
    ],
)
def test_other_networks_are_refused(net: nn.Module, said: str) -> None:
    with pytest.raises(UserError, match=rf"^drop_path=0\.1: {said}; block=residual, preact"):
        set_drop_path(net, 0.1)
