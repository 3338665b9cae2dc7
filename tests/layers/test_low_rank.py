"""Second functions of low rank beside shared ones, by their formula."""

from copy import deepcopy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from high_order_nets import coarsen, convert, refine
from high_order_nets.conversion.counting import count_parameters, multiply_adds
from high_order_nets.errors import UserError
from high_order_nets.layers import HighOrder, HighOrderLayer, LowRank, make_synapse
from high_order_nets.models.resnet import resnet10_small
from high_order_nets.models.transformer import transformer

OPTIONS = {"n": 3, "scale": 4.0, "domain": "linear", "sharing": "channel", "init": "mixed"}
CONV = {"stride": 2, "padding": 1, "groups": 2}


def made(old: nn.Module, rank: int, **options: Any) -> nn.Module:
    """Make what stands for a layer, of doubles, with second functions that are not switched off if there are any."""
    torch.manual_seed(0)
    layer = HighOrder(make_synapse("polynomial", **OPTIONS | options), rank).replace(old.double())
    if isinstance(layer, LowRank):
        nn.init.normal_(layer.mix.weight)  # type: ignore[arg-type]
    return layer


def functions(layer: Any, x: Tensor) -> Tensor:
    """φ_i(x_i) of nodal polynomials of three nodes within the interval [-2, 2]: by Lagrange's formula."""
    t = x / 2
    values = torch.stack([t * (t - 1) / 2, 1 - t * t, t * (t + 1) / 2])
    return torch.einsum("mbc...,mc->bc...", values, layer.shape)


def test_the_formula() -> None:
    x = torch.rand(5, 6, dtype=torch.float64) * 4 - 2
    layer: Any = made(nn.Linear(6, 7), 3)
    first = functions(layer.main, x) @ layer.main.weight.T
    second = functions(layer.second, x) @ layer.second.weight.T @ layer.mix.weight.T
    torch.testing.assert_close(layer(x), first + second)


def test_the_formula_of_a_convolution() -> None:
    x = torch.rand(2, 4, 5, 5, dtype=torch.float64) * 4 - 2
    layer: Any = made(nn.Conv2d(4, 8, 3, **CONV), 4)  # type: ignore[arg-type]
    first, second = (
        F.conv2d(functions(part, x), part.weight, stride=2, padding=1, groups=2) for part in (layer.main, layer.second)
    )
    torch.testing.assert_close(layer(x), first + F.conv2d(second, layer.mix.weight, groups=2))
    assert count_parameters(layer) == 3 * 4 + 8 * 2 * 9 + 3 * 4 + 4 * 2 * 9 + 8 * 2
    macs = multiply_adds(layer, lambda batch: torch.zeros(batch, 4, 5, 5, device="meta"))
    assert macs == 9 * (8 * 2 * 9 + 4 * 2 * 9 + 8 * 2)


@pytest.mark.parametrize(
    "old", [nn.Linear(3, 4), nn.Conv1d(2, 4, 3), nn.ConvTranspose2d(2, 4, 2, stride=2, output_padding=1)]
)
@pytest.mark.parametrize("parameters", ["nodal", "spectral"])
def test_gradients(old: nn.Module, parameters: str) -> None:
    layer = made(deepcopy(old), 2, parameters=parameters)
    shape = (2, 3) if isinstance(old, nn.Linear) else (1, 2, *[3] * len(old.kernel_size))  # type: ignore[arg-type]
    x = torch.rand(shape, dtype=torch.float64, requires_grad=True)
    names = [name for name, _ in layer.named_parameters()]

    def output(x: Tensor, *values: Tensor) -> Tensor:
        return torch.func.functional_call(layer, dict(zip(names, values, strict=True)), x)

    assert torch.autograd.gradcheck(output, (x, *layer.parameters()))


def test_it_begins_as_without_and_leaves_the_random_state() -> None:
    net = nn.Sequential(nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 3), nn.Flatten(), nn.Linear(6, 2))
    x, found = torch.randn(4, 3, 5, 5), []
    for rank in (0, 2):
        torch.manual_seed(1)
        new, report = convert(net, "polynomial2d", sharing="channel", init="mixed", rank=rank)
        found.append((new(x), torch.rand(1), new, report))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])
    _, _, new, report = found[1]
    layers: Any = [module for module in new.modules() if isinstance(module, LowRank)]
    assert [layer.rank for layer in layers] == [2, 2]
    assert not torch.equal(layers[0].second.weight, layers[0].main.weight[:2])
    assert {swap.functions[-8:] for swap in report.swapped} == {", rank=2"}
    again, report = convert(new, "polynomial2d", rank=2, sharing="channel")
    assert not report.swapped
    assert "kept 2 × Conv2d (part of a layer of low rank)" in str(report)
    assert torch.equal(again(x), found[1][0])


def test_the_mix_learns_first() -> None:
    layer = HighOrder(make_synapse("polynomial", **OPTIONS), 2).replace(nn.Linear(4, 5))
    layer(torch.randn(8, 4)).square().sum().backward()
    assert layer.get_parameter("mix.weight").grad.abs().min() > 0  # type: ignore[union-attr]
    assert layer.get_parameter("second.weight").grad.abs().max() == 0  # type: ignore[union-attr]


def test_both_are_refined_and_coarsened() -> None:
    layer = made(nn.Conv2d(4, 8, 3), 2, parameters="spectral")
    x = torch.randn(2, 4, 5, 5, dtype=torch.float64)
    finer = refine(layer, n=5)
    torch.testing.assert_close(finer(x), layer(x))
    assert {m.synapse.basis.weights for m in finer.modules() if isinstance(m, HighOrderLayer)} == {5}
    back, report = coarsen(finer, n=3)
    assert [each.name for each in report.layers] == ["main", "second"]
    torch.testing.assert_close(back(x), layer(x))


def test_widths_and_rules() -> None:
    rules = {"layer1": {"rank": 0}, "layer2": {"sharing": "synapse", "rank": 0}}
    options = {"sharing": "channel", "rank": 2, "rescale_planes": "match"}
    net, report = convert(resnet10_small(num_classes=10), "polynomial2d", rules=rules, **options)  # type: ignore[arg-type]
    assert report.parameters_after == pytest.approx(report.parameters_before, rel=0.02)
    ranked = {name.partition(".")[0] for name, m in net.named_modules() if isinstance(m, LowRank)}
    assert ranked == {"conv1", "layer3", "layer4"}


def test_the_end_of_a_branch_of_a_transformer_starts_small() -> None:
    net = transformer(11, 4, emsize=8, nhid=8, nlayers=1, nhead=2, dropout=0.0)
    ends = []
    for rank in (0, 2):
        torch.manual_seed(0)
        new, _ = convert(net, "polynomial", sharing="channel", rank=rank)
        down: Any = new.get_submodule("blocks.0.feed_forward.down")
        ends.append(down.main.weight if rank else down.weight)
    assert torch.equal(*ends)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rank": 2}, "rank=2: a function for every connection has all ranks already; take sharing=channel"),
        ({"rank": -1, "sharing": "channel"}, "rank=-1: expected a whole number of at least 0"),
        (
            {"rank": 4, "sharing": "channel"},
            r"rank=4: 0 has 4 outputs; take less, or rules=\{0:\{rank:0\}\} leaves it out",
        ),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        convert(nn.Sequential(nn.Linear(3, 4)), "polynomial", linear_output=False, **options)


def test_groups_that_do_not_fit_and_products() -> None:
    with pytest.raises(UserError, match="rank=2: product neurons have no sum to add to"):
        convert(nn.Linear(3, 4), "polynomial_prod", sharing="channel", rank=2)
    grouped = nn.Sequential(nn.Conv2d(4, 8, 3, groups=2), nn.Flatten())
    _, report = convert(grouped, "polynomial2d", sharing="channel", rank=3, linear_output=False)
    assert [kept.reason for kept in report.kept] == ["rank=3 is no multiple of its 2 groups"]
