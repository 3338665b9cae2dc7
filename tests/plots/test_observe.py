"""Watching a network shows what passes its layers and leaves no trace."""

import pytest
import torch
from torch import nn

from high_order_nets.errors import UserError
from high_order_nets.layers import HighOrderConv2d, make_synapse
from high_order_nets.models.simple import Simple
from high_order_nets.models.stages import Staged
from high_order_nets.plots.observe import Sample, check_layers, choose_layers, watch


def small() -> nn.Sequential:
    synapse = make_synapse("polynomial", n=3, scale=2.0)
    return nn.Sequential(
        HighOrderConv2d(3, 4, 3, synapse), nn.BatchNorm2d(4), nn.Dropout(), nn.Flatten(), nn.Linear(4, 2)
    )


def test_it_leaves_no_trace() -> None:
    net = small().train()
    net[1].eval()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    modes = [module.training for module in net.modules()]
    state = torch.get_rng_state()
    watch(net, torch.full((6, 3, 3, 3), 3.0), batch=4)
    assert torch.get_rng_state().equal(state)
    assert [module.training for module in net.modules()] == modes
    assert all(before[name].equal(tensor) for name, tensor in net.state_dict().items())
    assert not any(module._forward_hooks for module in net.modules())


def test_it_sees_all_batches_in_the_order_of_the_layers() -> None:
    images = torch.arange(6.0).repeat_interleave(27).view(6, 3, 3, 3) / 2
    watched = watch(small(), images, batch=4)
    assert list(watched) == ["0", "4"]
    assert (watched["0"].inputs.low, watched["0"].inputs.high) == (0.0, 2.5)
    assert len(watched["0"].inputs.values) == 6 * 27
    assert watched["0"].outside == 0.5  # 1.5, 2 and 2.5 of the interval [-1, 1]
    assert (watched["0"].half, watched["4"].half) == (1.0, None)


def test_an_error_on_the_way_leaves_no_hook_and_the_mode() -> None:
    net = small().train()
    with pytest.raises((RuntimeError, ValueError)):
        watch(net, torch.zeros(2, 5, 3, 3), batch=2)
    assert net.training
    assert not any(module._forward_hooks for module in net.modules())


def test_stages_not_yet_trained_are_not_met() -> None:
    staged = Staged(Simple(), torch.zeros(2, 3, 8, 8))
    staged.select(0)
    assert list(watch(staged, torch.zeros(2, 3, 8, 8), batch=2)) == ["features.layer1.0.0"]


def test_samples_leave_out_what_is_not_finite() -> None:
    sample = Sample.of(torch.tensor([1.0, torch.nan, torch.inf, -2.0]))
    assert sorted(sample.values.tolist()) == [sample.low, sample.high] == [-2.0, 1.0]
    nothing = Sample.of(torch.tensor([torch.nan]))
    assert not len(nothing.values)
    assert (nothing + sample).low == (sample + nothing).low == -2.0


def test_a_large_tensor_is_sampled_but_for_its_extremes() -> None:
    sample = Sample.of(torch.arange(100_000.0))
    assert (sample.low, sample.high) == (0.0, 99_999.0)
    assert len(sample.values) < 20_000
    assert sample.quantiles(0.5)[0] == pytest.approx(50_000, rel=0.05)


def test_layers_are_chosen_by_number_or_name() -> None:
    watched = watch(Simple(), torch.zeros(2, 3, 8, 8), batch=2)
    first, second, last = watched
    assert list(choose_layers(watched, 2)) == [first, last]
    assert list(choose_layers(watched, 99)) == [first, second, last]
    assert list(choose_layers(watched, ["fc", "*layer1*"])) == [first, last]
    assert list(choose_layers(watched, "fc")) == [last]


def test_a_pattern_without_a_layer_is_refused() -> None:
    check_layers(Simple(), ["fc"])
    with pytest.raises(UserError, match=r"plots\.layers=nosuch"):
        check_layers(Simple(), ["fc", "nosuch"])
