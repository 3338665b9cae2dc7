"""Parts that are not trained, and the rates of stages and patterns."""

from typing import Any

import pytest
import torch
from torch import nn

from high_order_nets.errors import UserError
from high_order_nets.models.resnet import resnet10_small
from high_order_nets.tasks import Classification
from high_order_nets.tasks.tuning import Frozen, frozen, rates
from tests.experiments import composed


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout(0.5), nn.Linear(2, 2))


def task(module: nn.Module, patterns: list[str]) -> Classification:
    made = Classification(module, 2, lambda *_: None)
    made.frozen = frozen(module, {"freeze": patterns})
    return made


def test_frozen_parts_have_no_gradient_and_stay_in_evaluation() -> None:
    made = task(net(), ["stem"])
    made.eval()
    made.train()
    assert [module.training for module in made.net.children()] == [False, False, False, True]
    made.net(torch.randn(8, 2)).sum().backward()
    assert {name for name, p in made.net.named_parameters() if p.grad is not None} == {"3.weight", "3.bias"}
    assert made.net[1].running_mean.equal(torch.zeros(2))
    assert made.frozen is not None
    made.frozen.thawed = True
    made.frozen.apply(made.net)
    made.train()
    assert all(module.training for module in made.modules())
    assert all(parameter.requires_grad for parameter in made.net.parameters())


@pytest.mark.parametrize("name", ["SGD", "AdamW"])
def test_no_optimizer_moves_or_decays_them(name: str) -> None:
    made = task(net(), ["stem"])
    optimizer = getattr(torch.optim, name)(made.net.parameters(), lr=0.1, weight_decay=0.5)
    before = {key: value.clone() for key, value in made.net.state_dict().items()}
    made.net(torch.randn(8, 2)).sum().backward()
    optimizer.step()
    moved = {key for key, value in made.net.state_dict().items() if not value.equal(before[key])}
    assert moved == {"3.weight", "3.bias"}


def test_something_must_be_left_to_train() -> None:
    with pytest.raises(UserError, match=r"^freeze=\[0,1,3\]: leaves nothing to train"):
        Frozen(net(), ["0", "1", "3"])
    assert Frozen(net(), ["0"]).said.startswith("freeze=[0]: 6 of 16 parameters are not trained")
    assert frozen(net(), {"freeze": []}) is None
    assert frozen(net(), {"freeze": "3"}) is not None


def test_each_stage_has_a_part_of_the_rate_behind_it_and_patterns_come_first() -> None:
    config: dict[str, Any] = composed("lr=0.5", "stage_lr=0.5", "learning_rate.layer2=0.75", "learning_rate.fc.bias=1")
    found = rates(resnet10_small(num_classes=10), config)
    names = ["conv1.weight", "bn1.bias", "layer1.0.conv1.weight", "layer3.0.conv1.weight", "layer4.0.bn1.weight"]
    assert [found[name].value for name in names] == [0.5**6, 0.5**6, 0.5**5, 0.5**3, 0.5**2]
    assert {found[name].value for name in found if name.startswith("layer2.")} == {0.75}
    assert found["fc.bias"] == ("fc.bias", 1)
    assert "fc.weight" not in found


def test_of_two_patterns_the_last_one_counts() -> None:
    config = composed("learning_rates={head:0.5,fc.bias:0.25}")
    found = rates(resnet10_small(num_classes=10), config)
    assert found == {"fc.weight": ("head", 0.5), "fc.bias": ("fc.bias", 0.25)}
    with pytest.raises(UserError, match=r"^learning_rate.layer9: matches no layer"):
        rates(resnet10_small(num_classes=10), composed("learning_rate.layer9=1"))


def test_what_has_no_stages_is_refused() -> None:
    with pytest.raises(UserError, match=r"^stage_lr=0\.5: Sequential has no stages"):
        rates(net(), composed("stage_lr=0.5"))
