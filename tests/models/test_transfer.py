"""What of given weights fits a network, worked out by hand."""

import logging

import pytest
import torch
from torch import Tensor, nn

from high_order_nets.errors import UserError
from high_order_nets.layers import HighOrderLinear
from high_order_nets.models.transfer import Source


def net(outputs: int = 2) -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, outputs))


def test_all_of_it_is_taken_whatever_wraps_its_names(caplog: pytest.LogCaptureFixture) -> None:
    given, taken = net(), net()
    state = {f"module._orig_mod.{name}": tensor.double() for name, tensor in given.state_dict().items()}
    state["module._orig_mod.1.num_batches_tracked"] = torch.tensor(7)
    with caplog.at_level(logging.INFO):
        Source("x", state).load(taken)
    assert all(taken.state_dict()[name].equal(given.state_dict()[name]) for name in ("0.weight", "2.bias"))
    assert taken[1].num_batches_tracked == 7
    assert caplog.messages == ["x: 9 of the network's 9 tensors taken"]


def test_what_does_not_fit_is_listed_with_both_shapes() -> None:
    state = net(5).state_dict() | {"1.weight": torch.ones(4, dtype=torch.int64), "extra": torch.ones(1)}
    del state["0.bias"], state["1.num_batches_tracked"]  # the latter is missing from older files
    assert Source("x", state).misfits(net()) == {
        "0.bias": "0.bias is not there",
        "1.weight": "1.weight (4,) of int64 there, (4,) here",
        "2.weight": "2.weight (5, 4) there, (2, 4) here",
        "2.bias": "2.bias (5,) there, (2,) here",
        "extra": "extra is not in this network",
    }
    with pytest.raises(UserError, match=r"^x: 5 of 10 tensors do not fit: .*; init_from.partial=true takes"):
        Source("x", state).load(net())


def test_the_rest_is_taken_where_it_may_be() -> None:
    taken, given = net(), net(5)
    head = taken[2].weight.clone()
    Source("x", given.state_dict(), partial=True).load(taken)
    assert taken.state_dict()["0.weight"].equal(given.state_dict()["0.weight"])
    assert taken[2].weight.equal(head)


def test_a_new_head_is_no_licence_for_the_rest() -> None:
    taken, given = net(), net(5)
    Source("x", given.state_dict(), new_head=True).load(taken)
    assert taken.state_dict()["0.weight"].equal(given.state_dict()["0.weight"])
    with pytest.raises(UserError, match=r"1 of 9 tensors do not fit: 0.bias is not there$"):
        Source("x", {k: v for k, v in given.state_dict().items() if k != "0.bias"}, new_head=True).load(taken)


def test_nothing_that_fits_is_refused_even_in_part() -> None:
    with pytest.raises(UserError, match=r"^x: none of its 1 tensors fits this network, such as a\.b$"):
        Source("x", {"a.b": torch.ones(1)}, partial=True).load(net())


@pytest.mark.parametrize("number", [torch.nan, torch.inf])
def test_numbers_that_are_not_finite_are_refused(number: float) -> None:
    state = net().state_dict()
    state["0.weight"] = torch.full((4, 3), number)
    with pytest.raises(UserError, match=r"x: 0\.weight holds numbers that are not finite"):
        Source("x", state).load(net())


class Masked(nn.Linear):
    def __init__(self) -> None:
        super().__init__(2, 2)
        self.register_buffer("mask", torch.zeros(2))


def test_a_mask_may_be_infinite() -> None:
    state = Masked().state_dict() | {"mask": torch.tensor([0.0, -torch.inf])}
    taken = Masked()
    Source("x", state).load(taken)
    assert taken.get_buffer("mask")[1] == -torch.inf
    with pytest.raises(UserError, match="mask holds numbers"):
        Source("x", state | {"mask": torch.full((2,), torch.nan)}).load(taken)


def test_of_tied_weights_one_name_is_enough() -> None:
    taken = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    taken[1].weight = taken[0].weight
    state: dict[str, Tensor] = {"0.weight": torch.ones(2, 2), "0.bias": torch.ones(2), "1.bias": torch.ones(2)}
    Source("x", state).load(taken)
    assert taken[1].weight.equal(torch.ones(2, 2))


def test_the_interval_of_an_aligned_layer_comes_along() -> None:
    given, taken = (nn.Sequential(HighOrderLinear(2, 2, "polynomial", align="layer")) for _ in range(2))
    given[0].interval = torch.tensor([[0.5], [2.0]])
    Source("x", given.state_dict()).load(taken)
    assert taken[0].interval is not None
    assert taken[0].interval.equal(given[0].interval)
