"""convert: what is swapped, what is kept, what is reported."""

from typing import Any

import pytest
import torch
import torchvision
from torch import nn

from high_order_nets import convert
from high_order_nets.basis import Basis
from high_order_nets.conversion.counting import count_parameters, count_reduced_parameters
from high_order_nets.errors import UserError
from high_order_nets.layers import (
    HighOrderConv2d,
    HighOrderLayer,
    HighOrderLinear,
    HighOrderProduct,
    MaxAbs,
    make_synapse,
)
from high_order_nets.models.resnet import resnet10, resnet10_small
from high_order_nets.models.vision import image_classifier
from high_order_nets.names import TORCHVISION

SAMPLE = ["resnet18", "mobilenet_v3_small", "shufflenet_v2_x0_5", "squeezenet1_1", "googlenet", "regnet_y_400mf"]
ATTENTION = ["vit_b_16", "swin_t", "maxvit_t"]
LAYER_TYPES = [*sorted(Basis.registry), "standard"]


def network(name: str, classes: int = 5, device: str = "cpu") -> tuple[nn.Module, int]:
    sizes = {"inception_v3": 299, "vit_l_32": 224, "vit_b_32": 224}
    size = sizes.get(name, 224 if name.startswith(("vit", "maxvit")) else 64)
    build = getattr(torchvision.models, name)
    # RegNets draw their weights by their size, which the meta device does not know.
    with torch.device("cpu" if name.startswith("regnet") else device):
        net = image_classifier(build, channels=3, classes=classes, image_size=size, stem="imagenet")
    return net.to(device), size


def check(name: str, device: str = "cpu", **options: Any) -> None:
    """Convert, run on the meta device, and look at what became of every layer and activation."""
    net, size = network(name, device=device)
    small = device == "cpu" and count_parameters(net) < 1e7
    before = {key: value.clone() for key, value in net.state_dict().items()} if small else {}
    converted, report = convert(net, **options)
    assert all(net.state_dict()[key].equal(value) for key, value in before.items())
    assert converted.to("meta").eval()(torch.zeros(2, 3, size, size, device="meta")).shape == (2, 5)
    high_order = [n for n, m in converted.named_modules() if isinstance(m, HighOrderLayer)]
    swapped = {swap.name for swap in report.swapped if swap.new.startswith("HighOrder")}
    assert set(high_order) == swapped
    assert bool(high_order) == (options["layer_type"] != "standard")
    kept = {kept.name for kept in report.kept}
    if options["layer_type"] != "standard":
        plain = {n for n, m in converted.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)}
        assert plain <= kept
    assert report.parameters_after == count_parameters(converted)
    assert report.parameters_reduced <= report.parameters_after


@pytest.mark.parametrize("name", SAMPLE)
@pytest.mark.parametrize("layer_type", LAYER_TYPES)
def test_families(name: str, layer_type: str) -> None:
    check(name, layer_type=layer_type)


@pytest.mark.parametrize("name", ATTENTION)
def test_attention(name: str) -> None:
    check(name, layer_type="polynomial2d")


@pytest.mark.slow
@pytest.mark.parametrize("name", TORCHVISION)
def test_every_torchvision_classifier(name: str) -> None:
    for layer_type in ("polynomial2d", "continuous2d"):
        check(name, "meta", layer_type=layer_type, segments=2)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["swin_t", "convnext_tiny", "efficientnet_b0", "densenet121", "inception_v3"])
def test_converted_networks_compute(name: str) -> None:
    net, size = network(name)
    converted, _ = convert(net, norm="keep")
    loss = converted(torch.randn(2, 3, size, size)).sum()
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in converted.parameters())


@pytest.fixture
def small() -> nn.Module:
    return image_classifier(resnet10_small, channels=3, classes=10, image_size=16)


def test_defaults(small: nn.Module) -> None:
    net, report = convert(small)
    assert isinstance(net.conv1, HighOrderConv2d)
    assert isinstance(net.fc, nn.Linear)
    assert not any(isinstance(m, nn.ReLU) for m in net.modules())
    assert any(isinstance(m, nn.BatchNorm2d) for m in net.modules())
    assert net.conv1.synapse.domain == "tanh"
    assert net.conv1.synapse.basis.length == 4.0
    assert [(kept.name, kept.reason) for kept in report.kept] == [("fc", "linear head")]
    assert "swapped 12 × Conv2d → HighOrderConv2d" in str(report)


@pytest.mark.parametrize("layer_type", LAYER_TYPES)
def test_converted_networks_learn_on_every_device(small: nn.Module, layer_type: str, device: str) -> None:
    net, _ = convert(small.to(device), layer_type, segments=2)
    net(torch.randn(4, 3, 16, 16, device=device)).square().mean().backward()
    assert all(p.device.type == device and p.grad is not None for p in net.parameters())


def test_standard_keeps_everything_but_what_is_asked_for(small: nn.Module) -> None:
    net, report = convert(small, "standard")
    assert not report.swapped
    x = torch.randn(2, 3, 16, 16)
    assert net.eval()(x).equal(small.eval()(x))
    net, _ = convert(small, "standard", activation="tanh", norm="group")
    kinds = {type(m) for m in net.modules()}
    assert nn.Tanh in kinds
    assert nn.GroupNorm in kinds
    assert not kinds & {nn.ReLU, nn.BatchNorm2d, HighOrderConv2d}


@pytest.mark.parametrize("activation", ["none", "keep", "relu", "silu", "tanh", "gelu"])
def test_activations(small: nn.Module, activation: str) -> None:
    net, _ = convert(small, activation=activation)
    expected = {
        "none": nn.Identity,
        "keep": nn.ReLU,
        "relu": nn.ReLU,
        "silu": nn.SiLU,
        "tanh": nn.Tanh,
        "gelu": nn.GELU,
    }
    assert type(net.relu) is expected[activation]


@pytest.mark.parametrize("norm", ["keep", "none", "batch", "layer", "group", "instance", "max_abs", "max_center", "l2"])
def test_norms(small: nn.Module, norm: str) -> None:
    net, report = convert(small, norm=norm)
    assert net(torch.randn(4, 3, 32, 32)).isfinite().all()
    if norm == "max_abs":
        assert isinstance(net.bn1, MaxAbs)
        assert sum(swap.new == "MaxAbs" for swap in report.swapped) == 12


def test_norms_that_are_not_there_are_reported() -> None:
    net, _ = network("squeezenet1_1")
    assert any("no norms to swap" in kept.reason for kept in convert(net, norm="max_abs")[1].kept)


def test_skip(small: nn.Module) -> None:
    net, report = convert(small, skip=["stem", "downsample", "layer4.*.conv2", "layer3"])
    plain = {name for name, m in net.named_modules() if type(m) is nn.Conv2d}
    downsamples = {f"layer{k}.0.downsample.0" for k in (2, 3, 4)}
    assert plain == {"conv1", "layer4.0.conv2", "layer3.0.conv1", "layer3.0.conv2"} | downsamples
    assert {kept.name for kept in report.kept if kept.reason.startswith("skip=")} == plain
    assert isinstance(net.layer3[0].relu, nn.ReLU), "a block without high-order layers keeps its activation"


def test_high_order_head(small: nn.Module) -> None:
    net, _ = convert(small, linear_output=False)
    assert isinstance(net.fc, HighOrderLinear)


@pytest.mark.parametrize(("divisor", "widths"), [(2, (8, 64)), (3, (5, 42)), (0.5, (32, 256)), (100, (1, 1))])
def test_rescale_planes_divides_and_rounds_down(small: nn.Module, divisor: float, widths: tuple[int, int]) -> None:
    net, report = convert(small, rescale_planes=divisor)
    assert (net.conv1.weight.shape[0], net.fc.in_features) == widths
    assert report.divisor == divisor
    assert net(torch.randn(2, 3, 16, 16)).shape == (2, 10)


@pytest.mark.parametrize("layer_type", ["polynomial2d", "continuous2d", "fourier2d"])
def test_match_finds_the_standard_parameter_count(layer_type: str) -> None:
    net = image_classifier(resnet10, channels=3, classes=100, image_size=32, width=0.5)
    target = count_parameters(net)
    stored, report = convert(net, layer_type, segments=2, parameters="nodal", rescale_planes="match")
    assert count_parameters(stored) == pytest.approx(target, rel=0.02)
    assert report.parameters_before == target
    reduced, _ = convert(net, layer_type, segments=2, parameters="nodal", rescale_planes="match_reduced")
    assert count_reduced_parameters(reduced) == pytest.approx(target, rel=0.02)


def test_spectral_stores_what_nodal_needs(small: nn.Module) -> None:
    nodal, spectral = convert(small, parameters="nodal")[1], convert(small)[1]
    assert spectral.parameters_after == nodal.parameters_reduced


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer_type": "polynom"}, "polynom"),
        ({"layer_type": "continuous", "n": 1, "segments": 2}, "n=1"),
        ({"norm": "renorm"}, "norm='renorm'"),
        ({"activation": "swoosh"}, "activation='swoosh'"),
        ({"rescale_planes": "half"}, "rescale_planes='half'"),
        ({"rescale_planes": 0}, "rescale_planes=0"),
        ({"nodes": 3}, "nodes"),
        ({"layer_type": "standard", "nodes": 3}, "nodes"),
        ({"layer_type": make_synapse("polynomial"), "n": 3}, "n: options"),
        ({"skip": ["layer9"]}, "skip=layer9"),
    ],
)
def test_wrong_options_are_refused(small: nn.Module, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        convert(small, **options)


def test_widths_of_other_families_are_refused() -> None:
    net, _ = network("squeezenet1_1")
    for planes in (2, "match"):
        with pytest.raises(UserError, match="no common width"):
            convert(net, rescale_planes=planes)


def test_subclasses_and_shared_modules() -> None:
    class Special(nn.Linear):
        pass

    shared = nn.Linear(4, 4)
    net, report = convert(nn.Sequential(shared, nn.ReLU(), shared, Special(4, 4), nn.Linear(4, 2)))
    assert net[0] is net[2]
    assert type(net[3]) is Special
    assert any("subclass" in kept.reason for kept in report.kept)


def test_activations_stay_where_nothing_was_swapped() -> None:
    net, report = convert(nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2)), skip="0")
    assert isinstance(net[1], nn.ReLU)
    assert any(kept.reason == "not between converted layers" for kept in report.kept)


def test_a_bare_layer_is_converted() -> None:
    net, report = convert(nn.Linear(3, 4))
    assert isinstance(net, HighOrderLinear)
    assert len(report.swapped) == 1


def test_dtype_and_mode_are_kept() -> None:
    net = image_classifier(resnet10, channels=3, classes=4, image_size=16, width=0.25).double().eval()
    converted, _ = convert(net, rescale_planes=2, norm="group", activation="prelu")
    assert {p.dtype for p in converted.parameters()} == {torch.float64}
    assert not any(m.training for m in converted.modules())
    assert converted(torch.zeros(2, 3, 16, 16, dtype=torch.float64)).shape == (2, 4)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_transposed_convolutions_keep_their_shapes(dimensions: int) -> None:
    plain = getattr(nn, f"ConvTranspose{dimensions}d")(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2)
    layer, _ = convert(plain, layer_type="continuous", n=3, segments=2)
    x = torch.randn(2, 4, *[5] * dimensions)
    assert isinstance(layer, HighOrderLayer)
    assert layer(x).shape == plain(x).shape


@pytest.mark.parametrize(
    "options", [{"sharing": "channel", "init": "mixed"}, {"base": "silu"}, {"noise": 0.1}], ids=str
)
def test_options_reach_every_layer(options: dict) -> None:
    net, _ = convert(resnet10(num_classes=4), "polynomial", n=3, **options)
    layers = [module for module in net.modules() if isinstance(module, HighOrderLayer)]
    assert len(layers) == 12
    assert all(getattr(layer.synapse, name) == value for layer in layers for name, value in options.items())


def test_shared_functions_match_at_the_standard_width() -> None:
    standard = resnet10(num_classes=100)
    net, report = convert(standard, "polynomial", n=3, sharing="channel", rescale_planes="match")
    assert net.layer4[0].conv1.out_channels == standard.layer4[0].conv1.out_channels
    assert report.parameters_after < 1.01 * report.parameters_before


def test_products_stand_in_fully_connected_layers_alone() -> None:
    net, report = convert(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Linear(4, 4), nn.Linear(4, 2)), "polynomial_prod")
    assert type(net[0]) is nn.Conv2d
    assert type(net[1]) is HighOrderProduct
    assert "product neurons are fully connected" in report.refusals


def test_layers_that_groups_of_functions_do_not_fit_are_kept() -> None:
    net, report = convert(torchvision.models.resnet18(num_classes=10), "polynomial", sharing=2)
    kept = {kept.name: kept.reason for kept in report.kept}
    assert kept["conv1"] == "sharing=2 does not divide its 3 input channels"
    assert net(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


@pytest.mark.parametrize("layer_type", ["polynomial1d", "fourier3d"])
def test_other_dimensions_are_refused(layer_type: str) -> None:
    with pytest.raises(UserError, match=f"layer_type={layer_type}: fits none .*2d"):
        convert(torchvision.models.resnet18(num_classes=10), layer_type)
