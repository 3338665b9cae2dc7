"""accumulate: a step in parts has the gradients of the whole one."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from high_order_nets.optim.groups import parameter_groups
from high_order_nets.tasks import Classification, Regression
from high_order_nets.tasks.smoothness import Smoothness
from tests.tasks.test_base import fit

IMAGES = torch.randn(7, 1, 4, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 1, 0, 2, 2])
OPTIMIZERS: dict[str, Any] = {
    "sgd": lambda net, _: torch.optim.SGD(parameter_groups(net, 0.1), lr=0.1, momentum=0.9),
    "lbfgs": lambda net, _: torch.optim.LBFGS(net.parameters(), lr=0.1, max_iter=3),
}


class Counting(nn.Module):
    """Remembers how many images it is given at once."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 3))
        self.sizes: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        if self.training:
            self.sizes.append(len(images))
        return self.layers(images)


def trained(accumulate: int, optimizer: str, **options: Any) -> tuple[Counting, dict[str, Any]]:
    torch.manual_seed(0)
    net = Counting()
    task = Classification(net, 3, OPTIMIZERS[optimizer], accumulate=accumulate, **options)
    exact = {"precision": "64-true"}  # L-BFGS makes much of rounding
    return net, fit(task, (IMAGES.double(), LABELS), gradient_clip_val=0.5, **exact).callback_metrics


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_parts_of_a_step_have_the_gradients_of_the_whole(optimizer: str) -> None:
    whole, expected = trained(1, optimizer, label_smoothing=0.1)
    net, found = trained(3, optimizer, label_smoothing=0.1)
    assert set(whole.sizes) == {7}
    assert net.sizes[:3] == [3, 2, 2]
    for key, value in whole.state_dict().items():
        torch.testing.assert_close(net.state_dict()[key], value)
    assert {key: float(found[key]) for key in expected} == pytest.approx({k: float(v) for k, v in expected.items()})


def test_more_parts_than_items_are_one_item_each() -> None:
    assert trained(20, "sgd")[0].sizes[:7] == [1] * 7


def test_what_is_minimised_beside_the_loss_counts_once() -> None:
    def gradient(accumulate: int) -> Tensor:
        torch.manual_seed(0)
        task = Regression(
            nn.Linear(2, 1), ["y"], [1.0], OPTIMIZERS["sgd"], accumulate=accumulate, loss_scale=3.0, objective=Price()
        )
        fit(task, (torch.arange(10.0).view(5, 2), torch.arange(5.0)[:, None]))
        return task.net.weight.detach()  # type: ignore[return-value]

    torch.testing.assert_close(gradient(2), gradient(1))


class Price(Smoothness):
    """Adds the squares of a layer's weights."""

    def __init__(self) -> None:
        super().__init__(1.0)

    def __call__(self, loss: Tensor, batch: Any, outputs: Tensor | None) -> Tensor:
        assert self._task is not None
        return loss + 0.01 * self._task.net.weight.square().sum()  # type: ignore[union-attr,operator]
