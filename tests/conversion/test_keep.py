"""weights="keep": what is converted gives what it gave."""

import math
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import resnet18, vgg11_bn

from high_order_nets import align, convert, refine
from high_order_nets.conversion.report import Report
from high_order_nets.errors import UserError
from high_order_nets.layers import HighOrderActivation, HighOrderLayer, make_synapse
from high_order_nets.models.blocks import BlockType
from high_order_nets.models.resnet import resnet10
from high_order_nets.models.transformer import transformer
from high_order_nets.models.vision import image_classifier
from tests.conversion.test_layer_type import LowRank

SPACES: list[tuple[str, dict[str, Any]]] = [
    ("polynomial", {"n": 2}),
    ("polynomial", {"n": 4}),
    ("continuous", {"n": 2, "segments": 2}),
    ("discontinuous", {"n": 3, "segments": 2}),
    ("crelu", {}),
]


def kept(net: nn.Module, layer_type: Any = "polynomial", **options: Any) -> tuple[Any, Report]:
    """Convert so that everything can be exact, but for what the options say."""
    exact: dict[str, Any] = {"weights": "keep", "domain": "linear", "linear_output": False}
    return convert(net, layer_type, **exact | options)


def close(new: nn.Module, old: nn.Module, x: Tensor, tolerance: float = 1e-5) -> None:
    with torch.no_grad():
        y, wanted = new.eval()(x), old.eval()(x)
    assert float((y - wanted).norm() / wanted.norm()) < tolerance


def trained(net: nn.Module) -> nn.Module:
    """Give norms statistics and weights as a training leaves them."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            size = module.num_features
            statistics = {"running_mean": torch.randn(size) / 2, "running_var": torch.rand(size) + 0.5}
            module.load_state_dict(statistics, strict=False)
            nn.init.normal_(module.weight, 1, 0.2)
            nn.init.normal_(module.bias, 0, 0.2)
    return net


def residual(**options: Any) -> nn.Module:
    net = image_classifier(resnet10, channels=3, classes=4, image_size=16, width=1 / 8, options=options)
    return trained(net)


def stack(*between: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), *between, nn.Conv2d(4, 4, 3, padding=1), nn.Flatten())


LAYERS: list[Callable[[], nn.Module]] = [
    lambda: nn.Linear(6, 4),
    lambda: nn.Linear(6, 4, bias=False),
    lambda: nn.Conv1d(6, 4, 3, stride=2, dilation=2),
    lambda: nn.Conv2d(6, 4, 3, padding=1, groups=2),
    lambda: nn.Conv2d(6, 6, (3, 1), padding="same", groups=6, bias=False),
    lambda: nn.Conv2d(6, 4, 3, padding=2, padding_mode="reflect"),
    lambda: nn.Conv2d(6, 4, 3, padding=1, padding_mode="circular", dilation=2),
    lambda: nn.Conv3d(6, 4, 2, padding=1),
    lambda: nn.ConvTranspose1d(6, 4, 3, stride=2, output_padding=1),
    lambda: nn.ConvTranspose2d(6, 4, 3, padding=1, groups=2),
    lambda: nn.ConvTranspose3d(6, 4, 2, bias=False),
]


def inputs(layer: nn.Module) -> Tensor:
    return 2 * torch.randn(5, 6, *[7] * len(getattr(layer, "kernel_size", ())))


@pytest.mark.parametrize("make", LAYERS, ids=lambda make: str(make()))
@pytest.mark.parametrize(("layer_type", "sizes"), SPACES, ids=str)
def test_every_kind_of_layer_begins_as_it_was(make: Callable[[], nn.Module], layer_type: str, sizes: dict) -> None:
    layer = make()
    new, report = kept(layer, layer_type, parameters="nodal", **sizes)
    assert isinstance(new, HighOrderLayer)
    assert report.equal
    close(new, layer, inputs(layer))


@pytest.mark.parametrize("make", [LAYERS[0], LAYERS[3], LAYERS[9]], ids=lambda make: str(make()))
@pytest.mark.parametrize(
    "options",
    [
        {"parameters": "spectral"},
        {"sharing": "channel"},
        {"sharing": "channel", "rank": 2},
        {"sharing": 2, "parameters": "nodal"},
        {"sharing": "deviation"},
        {"base": "silu"},
        {"base": "silu", "sharing": "channel", "parameters": "nodal"},
        {"base": "identity", "domain": "tanh"},
        {"rescale_output": True},
        {"rescale_output": True, "sharing": "deviation", "base": "tanh"},
        {"domain": "extrapolate"},
        {"domain": "slopes"},
        {"domain": "slopes", "parameters": "nodal", "sharing": "channel"},
        {"scale": 0.5, "dropout": 0.1, "noise": 0.1},
    ],
    ids=str,
)
def test_every_option_keeps_it(make: Callable[[], nn.Module], options: dict) -> None:
    layer = make()
    new, report = kept(layer, n=3, **options)
    assert report.equal
    close(new, layer, inputs(layer))
    new.train()(inputs(layer)).square().sum().backward()
    assert all(p.grad is not None for p in new.parameters())


def test_numbers_of_either_precision_and_modes_stay() -> None:
    for dtype, tolerance in ((torch.float64, 1e-13), (torch.bfloat16, 2e-2)):
        layer = nn.Conv2d(6, 4, 3, padding=1).to(dtype).eval()
        new, report = kept(layer, n=3)
        assert report.equal
        assert not new.training
        close(new, layer, inputs(layer).to(dtype), tolerance)


@pytest.mark.parametrize(("layer_type", "sizes"), SPACES, ids=str)
def test_a_network_gives_what_it_gave(layer_type: str, sizes: dict) -> None:
    """In training too: what norms see is the same."""
    net, x = residual(), torch.randn(4, 3, 16, 16)
    new, report = kept(net, layer_type, parameters="nodal", **sizes)
    assert report.equal
    assert "weights of swapped layers: kept" in str(report)
    assert "13 of 13 give what the ordinary ones gave" in str(report)
    close(new, net, x)
    torch.testing.assert_close(new.train()(x), net.train()(x), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(new.bn1.running_var, net.bn1.running_var)


def test_a_bias_stays_beside_constants() -> None:
    layer = nn.Conv2d(6, 4, 3, padding=1)
    assert convert(layer, "polynomial", parameters="nodal")[0].bias is None
    new, _ = kept(layer, parameters="nodal")
    assert new.bias.equal(layer.bias)


def test_frozen_layers_stay_frozen_and_nothing_is_shared_with_the_old_ones() -> None:
    net = stack(nn.ReLU())
    net[0].requires_grad_(False)
    before = deepcopy(net.state_dict())
    new, report = kept(net, n=3)
    assert "1 of 2 are frozen" in str(report)
    assert not any(p.requires_grad for p in new[0].parameters())
    with torch.no_grad():
        for parameter in new.parameters():
            parameter.add_(1)
    assert all(value.equal(before[key]) for key, value in net.state_dict().items())


# --- activations -----------------------------------------------------------------------------------------------------

KNOT: dict[str, Any] = {"layer_type": "continuous", "n": 2, "segments": 2}


@pytest.mark.parametrize("sharing", ["synapse", "channel", "deviation"])
@pytest.mark.parametrize("parameters", ["nodal", "spectral"])
@pytest.mark.parametrize("activation", ["auto", "none"])
def test_functions_take_a_relu_over(sharing: str, parameters: str, activation: str) -> None:
    net = stack(nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2))
    options = {"sharing": sharing, "parameters": parameters, "activation": activation, "skip": "stem"}
    new, report = kept(net, **KNOT, **options)
    assert isinstance(new[2], nn.Identity)
    assert report.equal
    close(new, net, torch.randn(4, 3, 8, 8))


@pytest.mark.parametrize("slope", [nn.LeakyReLU(0.2), nn.PReLU(init=0.3)])
def test_so_they_do_other_kinks(slope: nn.Module) -> None:
    net = nn.Sequential(nn.Linear(5, 4), slope, nn.Linear(4, 3))
    new, report = kept(net, **KNOT)
    assert isinstance(new[1], nn.Identity)
    assert report.equal
    close(new, net, torch.randn(20, 5))


def test_what_functions_cannot_be_stays_under_auto() -> None:
    net = stack(nn.ReLU())
    new, report = kept(net, n=3)
    assert isinstance(new[1], nn.ReLU)
    assert [(kept.name, kept.reason) for kept in report.kept] == [("1", "the functions behind it cannot take it over")]
    assert report.equal
    close(new, net, torch.randn(2, 3, 5, 5))
    helped, report = kept(net, n=3, base="relu")
    assert isinstance(helped[1], nn.Identity)
    assert report.equal
    close(helped, net, torch.randn(2, 3, 5, 5))


def test_what_is_taken_out_anyway_is_met_as_nearly_as_can_be() -> None:
    """A parabola in place of a ReLU: of E[relu(x)²] = 1/2, x normal, He_0, He_1 and He_2 have all but 0.011."""
    net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 512, bias=False))
    options = {"activation": "none", "scale": 4.0, "domain": "extrapolate", "parameters": "nodal"}
    new, report = kept(net, n=3, skip="stem", **options)
    (alike,) = report.likeness
    missing = 1 / 2 - 1 / (2 * math.pi) - 1 / 4 - 1 / (4 * math.pi)
    assert alike.error == pytest.approx((missing / 0.5) ** 0.5, rel=0.15)
    assert alike.obstacle.endswith("with domain=extrapolate is ReLU")
    assert not report.equal
    assert f"1 off by up to {alike.error:.2%}" in str(report)
    assert not report.lost
    x = torch.randn(4000, 64)
    with torch.no_grad():
        y, wanted = new[2](x), net[2](net[1](x))
    assert float((y - wanted).norm() / wanted.norm()) == pytest.approx(alike.error, rel=0.15)


def test_in_front_of_a_sum_nothing_takes_an_activation_over() -> None:
    net, x = residual(), torch.randn(4, 3, 16, 16)
    new, report = kept(net, **KNOT, parameters="nodal")
    assert report.equal
    stay = {kept.reason for kept in report.kept}
    assert stay == {"in front of add", "in front of AdaptiveAvgPool2d"}
    close(new, net, x)
    out, report = kept(net, **KNOT, parameters="nodal", activation="none")
    assert not any(isinstance(module, nn.ReLU) for module in out.modules())
    assert {lost.reason for lost in report.lost} == stay
    assert not report.equal
    assert "lost 1 × ReLU (in front of add)" in str(report)
    assert {each.obstacle for each in report.likeness} == {""}, "each layer by itself is what it was"


def test_a_preactivated_network_needs_none() -> None:
    """He's second ResNet has its activations in front of convolutions alone, and the last one of the pooling."""
    net, x = residual(block=BlockType("preact")), torch.randn(4, 3, 16, 16)
    new, report = kept(net, **KNOT, pool_function=True, parameters="nodal")
    assert report.equal
    assert not any(isinstance(module, nn.ReLU) for module in new.modules())
    assert isinstance(new.layer4[-1], HighOrderActivation)
    close(new, net, x)
    new, report = kept(net, **KNOT, parameters="nodal")
    assert report.equal
    assert isinstance(new.layer4[-1], nn.ReLU)
    close(new, net, x)


def test_functions_before_the_pooling_begin_as_nothing() -> None:
    net, x = residual(), torch.randn(4, 3, 16, 16)
    for sharing in ("synapse", 4):
        new, report = kept(net, n=3, pool_function=True, sharing=sharing, skip="stem")
        assert report.equal
        close(new, net, x)


def test_padding_that_leaves_out_constants_is_reported() -> None:
    """x = -ℓ/2 + (x + ℓ/2): in spectral parameters the first part is in the bias, which a padded place gets too."""
    net, x = stack(), torch.randn(2, 3, 9, 9)
    new, report = kept(net, **KNOT, parameters="spectral")
    assert not report.equal
    assert {each.obstacle.partition(",")[0] for each in report.likeness} == {"its padding leaves out constants"}
    with torch.no_grad():
        inner = (new[0](x) - net[0](x))[..., 1:-1, 1:-1]
    assert float(inner.abs().max()) < 1e-5


@pytest.mark.parametrize(
    ("layer_type", "options", "obstacle"),
    [
        ("polynomial", {"n": 3, "domain": "tanh"}, "with domain=tanh is x"),
        ("polynomial", {"n": 3, "periodicity": 1.0}, "is x"),
        ("polynomial", {"n": 1}, "is x"),
        ("fourier", {"n": 5}, "no function of Fourier(n=5, length=4.0) with domain=linear is x"),
        ("polynomial_prod", {"n": 3}, "its neurons multiply"),
        ("product", {}, "its neurons multiply"),
    ],
)
def test_what_cannot_be_equal_says_how_far_it_is_off(layer_type: str, options: dict, obstacle: str) -> None:
    net = nn.Linear(16, 200, bias=False)
    new, report = kept(net, layer_type, **options)
    (alike,) = report.likeness
    assert alike.obstacle.endswith(obstacle)
    x = torch.randn(3000, 16)  # scale=4: a quarter of the interval is 1
    with torch.no_grad():
        y, wanted = new(x), net(x)
    assert float((y - wanted).norm() / wanted.norm()) == pytest.approx(alike.error, rel=0.3)
    assert alike.error > 0.05


# --- intervals that are measured -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"scale": "auto"},
        {"scale": "auto", "parameters": "nodal", "sharing": "channel"},
        {"align": "layer", "base": "silu", "rescale_output": True},
        {"align": "layer", "sharing": "deviation", "rank": 1},
        {"align": "channel", "parameters": "nodal"},
        {"align": "channel", "parameters": "nodal", "sharing": "deviation"},
    ],
    ids=str,
)
def test_alignment_keeps_the_output(options: dict) -> None:
    net = trained(stack(nn.BatchNorm2d(4), nn.ReLU()))
    x = 3 * torch.randn(8, 3, 6, 6) + 1
    new, report = kept(net, n=4, **options)
    assert report.equal
    close(new, net, x)
    align(new, x)
    assert all(layer.interval is not None for layer in new.modules() if isinstance(layer, HighOrderLayer))
    close(new, net, x)
    close(refine(new, n=6), net, x)


def test_a_relu_is_taken_over_where_alignment_leaves_its_kink_at_zero() -> None:
    net, x = stack(nn.ReLU()), torch.randn(8, 3, 6, 6)
    new, _ = kept(net, **KNOT, align="layer", parameters="nodal")
    assert isinstance(new[1], nn.Identity)
    close(align(new, x), net, x)
    new, report = kept(net, **KNOT, align="channel", parameters="nodal")
    assert isinstance(new[1], nn.ReLU)
    assert report.equal
    close(align(new, x), net, x)


def test_a_grouped_layer_has_intervals_by_channel() -> None:
    for make in (LAYERS[3], LAYERS[9]):
        layer = make()
        x = inputs(layer) + torch.arange(6.0)[:, None, None]
        new, _ = kept(layer, n=3, parameters="nodal", align="channel")
        close(align(new, x), layer, x)


def test_what_was_trained_before_it_was_aligned_is_refused() -> None:
    new, _ = kept(nn.Linear(3, 2), n=3, scale="auto")
    with torch.no_grad():
        new.weight.add_(1)
    with pytest.raises(UserError, match="HighOrderLinear: was trained before it was aligned; align it first"):
        align(new, torch.randn(8, 3))
    assert new.interval is None


def test_a_saved_alignment_counts() -> None:
    layer, x = nn.Linear(3, 2), 5 * torch.randn(8, 3)
    new, again = (kept(layer, n=3, scale="auto")[0] for _ in range(2))
    align(new, x)
    again.load_state_dict(new.state_dict())
    assert again.start is None
    close(again, layer, x)


# --- what does not go together ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": "load"}, "^weights='load': expected one of draw, keep"),
        ({"norm": "batch"}, "norm=batch: makes other norms, and weights=keep keeps what there is; take norm=keep"),
        ({"activation": "silu"}, "activation=silu: is another function.*take activation=auto"),
        ({"rescale_planes": 2}, "rescale_planes=2: makes other widths.*take rescale_planes=1"),
        ({"rescale_planes": "match"}, "rescale_planes=match: makes other widths"),
        ({"init": "mixed"}, "init=mixed: draws the functions.*take init=linear"),
        ({"rules": {"stem": {"init": "relu"}}}, "init=relu: draws the functions"),
        ({"align": "batch"}, "align=batch: standardises inputs anew in every batch.*take align=none"),
        ({"align": "channel"}, "align=channel: weights=keep cannot keep 0: its padding leaves out constants"),
        ({"align": "channel", "sharing": 1, "parameters": "nodal"}, "sharing=1 has one function for channels"),
        ({"align": "channel", "layer_type": "crelu"}, "CReLU has no constants; take another"),
    ],
)
def test_what_would_change_what_is_kept_is_refused(options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        kept(stack(), **options)


def test_layers_without_functions_are_refused() -> None:
    with pytest.raises(UserError, match=r"^weights=keep: LowRank has no functions that could begin as lines$"):
        convert(stack(), LowRank(2), weights="keep")


def test_nothing_is_measured_on_the_meta_device() -> None:
    new, report = kept(stack(nn.ReLU()).to("meta"), **KNOT)
    assert new[0].weight.is_meta
    assert not report.equal


def test_the_ordinary_network_has_nothing_to_keep() -> None:
    net = stack(nn.ReLU())
    new, report = convert(net, "standard", weights="keep")
    assert not report.swapped
    close(new, net, torch.randn(2, 3, 5, 5))


def test_a_synapse_and_rules_keep_too() -> None:
    net, x = stack(nn.ReLU()), torch.randn(2, 3, 5, 5)
    synapse = make_synapse("continuous", n=2, segments=2, scale=4.0)
    rules = {"0": {"layer_type": "polynomial", "n": 3}}
    new, report = convert(net, synapse, weights="keep", rules=rules, linear_output=False)
    assert report.equal
    close(new, net, x)


def test_a_transformer_keeps_what_its_branches_give() -> None:
    net = transformer(vocabulary=30, context=8, emsize=16, nhid=24, nlayers=2, nhead=2)
    tokens = torch.randint(30, (2, 8))
    new, report = kept(net, n=3, linear_output=True)
    assert report.equal
    assert sum(swap.layer for swap in report.swapped) == 4
    close(new, net, tokens)


@pytest.mark.slow
@pytest.mark.parametrize("build", [resnet18, vgg11_bn])
def test_torchvisions_networks_keep_everything(build: Callable[..., nn.Module]) -> None:
    net, x = trained(build(num_classes=10)), torch.randn(2, 3, 64, 64)
    for options in ({"n": 3}, {**KNOT, "parameters": "nodal"}):
        new, report = kept(net, **options)
        assert report.equal
        close(new, net, x, 1e-4)


@pytest.mark.parametrize(
    "options",
    [{}, {"layer_type": "standard", "norm": "group"}, {"layer_type": "standard", "rescale_planes": 2}],
    ids=str,
)
def test_what_is_drawn_is_not_equal(options: dict) -> None:
    assert not convert(residual(), **options)[1].equal
