"""Each block is its formula, in value and gradient; and networks of them, whatever is done to them."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet, resnet18

from high_order_nets.conversion import convert
from high_order_nets.conversion.counting import count_parameters
from high_order_nets.conversion.widths import scale_width
from high_order_nets.errors import UserError
from high_order_nets.models.blocks import BlockType
from high_order_nets.models.blocks.residual import Place
from high_order_nets.models.resnet import PLANES, pinet, resnet10
from high_order_nets.models.stages import Staged
from high_order_nets.models.vision import image_classifier
from tests.models.blocks.kinds import ALONE, NAMES, kind, made

R = F.relu


class Plain:
    """A block's parts by name, computed by torch's functions alone."""

    def __init__(self, block: nn.Module):
        self.t = {key: value.clone() for key, value in block.state_dict().items()}
        self.t |= dict(block.named_parameters())
        self.training = block.training

    def conv(self, name: str, x: Tensor, stride: int = 1) -> Tensor:
        weight = self.t[f"{name}.weight"]
        return F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)

    def bn(self, name: str, x: Tensor) -> Tensor:
        weight, bias, mean, var = (self.t[f"{name}.{key}"] for key in ("weight", "bias", "running_mean", "running_var"))
        return F.batch_norm(x, mean.clone(), var.clone(), weight, bias, self.training)

    def halves(self, z: Tensor, stride: int, r: Callable[[Tensor], Tensor] = R) -> tuple[Tensor, Tensor]:
        f = self.bn("bn2", self.conv("conv2", r(self.bn("bn1", self.conv("conv1", z, stride)))))
        return f, self.bn("downsample.1", self.conv("downsample.0", z, stride)) if stride > 1 else z


def pi(p: Plain, z: Tensor, stride: int) -> Tensor:
    f, s = p.halves(z, stride)
    return R(f + s + p.bn("bn3", f * s))


def pi1x1(p: Plain, z: Tensor, stride: int) -> Tensor:
    f, s = p.halves(z, stride)
    return R(f + s + p.bn("bn3", p.conv("conv3", f * s)))


def table5(p: Plain, z: Tensor, stride: int, meet: Callable[[Tensor, Tensor], Tensor] = torch.mul) -> Tensor:
    f, s = p.halves(z, stride)
    return R(f + s + p.bn("bn4", p.conv("conv4", meet(p.bn("bn3", p.conv("conv3", s)), f))))


def ncp(p: Plain, z: Tensor, stride: int, skip: bool = False) -> Tensor:
    f, s = p.halves(z, stride)
    a3 = p.bn("factors.0.1", p.conv("factors.0.0", z, stride))
    x2 = f * p.bn("maps.0.1", p.conv("maps.0.0", s)) + (p.conv("skips.0", s) if skip else 0)
    x3 = a3 * p.bn("maps.1.1", p.conv("maps.1.0", x2)) + (p.conv("skips.1", x2) if skip else 0)
    return R(f + s + p.bn("norms.0", p.conv("output", x3)))


def ccp(p: Plain, z: Tensor, stride: int) -> Tensor:
    f, s = p.halves(z, stride)
    x2 = p.bn("norms.0", f * s) + s
    x3 = p.bn("norms.1", p.bn("factors.0.1", p.conv("factors.0.0", z, stride)) * x2) + x2
    return R(f + x3)


def rpoly(p: Plain, z: Tensor, stride: int) -> Tensor:
    first = p.conv("conv1", z, stride)
    some = int(0.8 * first.shape[1])
    weight, bias = p.t["bn1.weight"], p.t["bn1.bias"]
    means, deviations = first.mean((2, 3), keepdim=True), first.var((2, 3), correction=0, keepdim=True)
    instance = ((first - means) / (deviations + 1e-5).sqrt())[:, :some]
    instance = instance * weight[:some, None, None] + bias[:some, None, None]
    statistics = p.t["bn1.running_mean"].clone(), p.t["bn1.running_var"].clone()
    batch = F.batch_norm(first[:, some:], *statistics, weight[some:], bias[some:], p.training)
    f = p.bn("bn2", p.conv("conv2", torch.cat([instance, batch], 1)))
    s = p.bn("downsample.1", p.conv("downsample.0", z, stride)) if stride > 1 else z
    return f + s + p.t["alpha"] * p.bn("bn3", p.conv("conv3", f * s))


def tutorial(p: Plain, z: Tensor, stride: int) -> Tensor:
    o = F.instance_norm(p.conv("downsample.0", z, stride))
    return o + p.t["alpha"] * p.bn("bn1", p.conv("conv1", z, stride)) * o


def pdc(p: Plain, z: Tensor, stride: int, short: bool = False) -> Tensor:
    f = R(p.bn("bn1", p.conv("conv1", z, stride))) if short else p.halves(z, stride)[0]
    s = p.bn("downsample.1", p.conv("downsample.0", z, stride)) if stride > 1 else z
    u = [F.leaky_relu(p.bn(f"up{i}.1", p.conv(f"up{i}.0", p.bn("bnx", s)))) for i in (1, 2)]
    product = p.conv("down", u[0] * u[1])
    return R(f + s + p.t["alpha"] * F.leaky_relu(F.instance_norm(product) if short else p.bn("bnl", product)))


def gated(p: Plain, f: Tensor) -> Tensor:
    factor = 1 + (f.mean((2, 3)) @ p.t["gate.squeeze_weight"].T @ p.t["gate.excite_weight"].T).clamp(-1, 1)
    return f * factor[:, :, None, None]


def gate(p: Plain, z: Tensor, stride: int) -> Tensor:
    f, s = p.halves(z, stride)
    return R(gated(p, f) + s)


def pi_gate(p: Plain, z: Tensor, stride: int) -> Tensor:
    f, s = p.halves(z, stride)
    return R(gated(p, f) + s + p.bn("bn3", gated(p, f) * s))


def se(p: Plain, z: Tensor, stride: int) -> Tensor:
    f, s = p.halves(z, stride)
    layers = [(p.t[f"gate.fc{i}.weight"].flatten(1), p.t[f"gate.fc{i}.bias"]) for i in (1, 2)]
    factor = F.linear(R(F.linear(f.mean((2, 3)), *layers[0])), *layers[1]).sigmoid()
    return R(f * factor[:, :, None, None] + s)


def funnel(p: Plain, z: Tensor, stride: int, product: bool = True) -> Tensor:
    u = p.bn("bn1", p.conv("conv1", z, stride))
    around = p.bn("funnel.norm", F.conv2d(u, p.t["funnel.depthwise.weight"], padding=1, groups=u.shape[1]))
    f = p.bn("bn2", p.conv("conv2", R(u) + (u * around if product else around)))
    return R(f + (p.bn("downsample.1", p.conv("downsample.0", z, stride)) if stride > 1 else z))


def preact(p: Plain, z: Tensor, stride: int) -> Tensor:
    x = R(p.bn("bn1", z))
    f = p.conv("conv2", R(p.bn("bn2", p.conv("conv1", x, stride))))
    return f + (p.conv("downsample", x, stride) if stride > 1 else z)


FORMULAS: dict[str, tuple[BlockType, Callable[[Plain, Tensor, int], Tensor]]] = {
    "residual": (kind("residual"), lambda p, z, stride: R(torch.add(*p.halves(z, stride)))),
    "gate": (kind("gate", reduction=2), gate),
    "se": (kind("se", reduction=2), se),
    "funnel": (kind("funnel"), funnel),
    "funnel_sum": (kind("funnel", funnel="sum"), lambda p, z, stride: funnel(p, z, stride, product=False)),
    "preact": (kind("preact"), preact),
    "pi": (kind("pi"), pi),
    "pi_gate": (kind("pi", gate="quadratic"), pi_gate),
    "pi1x1": (kind("pi1x1"), pi1x1),
    "table5": (kind("table5"), table5),
    "table5_sum": (kind("table5_sum"), lambda p, z, stride: table5(p, z, stride, torch.add)),
    "ncp": (kind("ncp"), ncp),
    "ncp_skip": (kind("ncp", recursion="ncp_skip"), lambda p, z, stride: ncp(p, z, stride, skip=True)),
    "ccp": (kind("ncp", recursion="ccp"), ccp),
    "ncp_tutorial": (kind("ncp_tutorial"), tutorial),
    "rpoly": (kind("rpoly"), rpoly),
    "pdc": (kind("pdc", norm="batch"), pdc),
    "pdc_small": (kind("pdc_small", ranks=[3, 3, 3, 3]), lambda p, z, stride: pdc(p, z, stride, short=True)),
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", FORMULAS)
def test_a_block_is_its_formula(name: str, stride: int, training: bool) -> None:
    block, formula = FORMULAS[name]
    net = made(block, 5, 5 * stride, stride).train(training)
    z = torch.randn(3, 5, 6, 6, dtype=torch.float64, requires_grad=True)
    wanted = formula(Plain(net), z, stride)
    parameters = dict(net.named_parameters())
    weights = torch.randn_like(wanted)
    expected = torch.autograd.grad((wanted * weights).sum(), [z, *parameters.values()])
    found = net(z)
    assert (found - wanted).abs().max() <= 1e-10
    gradients = torch.autograd.grad((found * weights).sum(), [z, *parameters.values()])
    for key, one, other in zip(["z", *parameters], gradients, expected, strict=True):
        assert (one - other).abs().max() <= 1e-10, key


def test_every_block_has_its_formula() -> None:
    assert {*NAMES} <= {*FORMULAS, *ALONE}


def narrow(block: BlockType, width: float = 0.25) -> Any:
    options = {"block": block}
    return image_classifier(resnet10, channels=3, classes=4, image_size=16, width=width, options=options)


def sized(layers: list[int], block: BlockType, classes: int = 10, **options: Any) -> int:
    with torch.device("meta"):
        options |= {"block": block, "layers": layers}
        return count_parameters(image_classifier(pinet, channels=3, classes=classes, image_size=32, options=options))


@pytest.mark.parametrize(
    ("name", "layers", "classes", "size"),
    [
        ("residual", [2, 2, 2, 2], 10, 11_173_962),
        ("residual", [2, 2, 1, 1], 10, 5_272_650),
        ("gate", [2, 2, 2, 2], 10, 11_173_962 + 87_040),
        ("se", [2, 2, 2, 2], 10, 11_173_962 + 87_040 + 120 + 1_920),
        ("funnel", [2, 2, 2, 2], 10, 11_173_962 + 21_120),
        ("preact", [2, 2, 2, 2], 10, 11_171_146 + 2 * 512),
        ("pi", [2, 2, 1, 1], 10, 5_274_954),
        ("pi1x1", [2, 2, 1, 1], 10, 5_643_594),
        ("pi1x1", [2, 2, 2, 2], 10, 11_874_122),
        ("table5", [2, 2, 1, 1], 10, 6_014_538),
        ("table5_sum", [2, 2, 1, 1], 10, 6_014_538),
        ("table5", [2, 2, 1, 1], 100, 6_014_538 + 46_170),
        ("table5", [3, 4, 3, 2], 100, 14_673_060),
        ("rpoly", [2, 2, 2, 2], 10, 11_874_130),
        ("dpoly", [2, 2, 2, 1], 10, 7_143_310),
        ("pdc_small", [2, 2, 2, 1], 10, 4_259_793),
    ],
)
def test_sizes(name: str, layers: list[int], classes: int, size: int) -> None:
    planes = {"dpoly": [64, 128, 256, 486], "pdc_small": [64, 128, 192, 256]}.get(name, PLANES)
    assert sized(layers, kind(name), classes, planes=planes) == size


def test_bottlenecks_have_the_product_too() -> None:
    assert sized([2, 2, 1, 1], kind("pi"), bottleneck=True) == 8_388_426
    assert sized([2, 2, 1, 1], kind("pi1x1"), bottleneck=True) == 14_286_666
    net = made(kind("pi"), 4, 3, 2, bottleneck=True).eval()
    x = torch.randn(2, 4, 6, 6, dtype=torch.float64)
    f, s = net.halves(x)
    torch.testing.assert_close(net(x), R(f + s + net.bn4(f * s)))


@pytest.mark.parametrize("bottleneck", [False, True])
def test_residual_blocks_are_torchvisions_to_the_bit(bottleneck: bool) -> None:
    torch.manual_seed(3)
    theirs = ResNet(Bottleneck if bottleneck else BasicBlock, [1, 2, 1, 1], num_classes=4)
    torch.manual_seed(3)
    ours = pinet(4, layers=[1, 2, 1, 1], bottleneck=bottleneck)
    assert {*ours.state_dict()} == {*theirs.state_dict()}
    assert all(torch.equal(ours.state_dict()[key], value) for key, value in theirs.state_dict().items())
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(ours(x), theirs(x))


@pytest.mark.parametrize("name", ["pi", "pi1x1"])
def test_weights_of_torchvisions_resnet18_load(name: str) -> None:
    with torch.device("meta"):
        weights, net = resnet18().state_dict(), pinet(1000, kind(name), [2, 2, 2, 2])
    missing, unexpected = net.load_state_dict(weights, strict=False, assign=True)
    assert not unexpected
    assert {key.split(".")[2] for key in missing} <= {"bn3", "conv3"}


def test_degree_two_of_the_recursions_is_pi_and_table5() -> None:
    x = torch.randn(2, 4, 6, 6, dtype=torch.float64)
    for recursion, other in (("ccp", "pi"), ("ncp", "table5")):
        net = made(kind("ncp", recursion=recursion, degree=2), 4, 4, 1)
        twin = made(kind(other), 4, 4, 1)
        names = {key: value for key, value in net.state_dict().items() if "num_batches" not in key}
        keys = [key for key in twin.state_dict() if "num_batches" not in key]
        renamed = {"maps.0.0": "conv3", "maps.0.1": "bn3", "output": "conv4", "norms.0": "bn4"}
        if recursion == "ccp":
            renamed = {"norms.0": "bn3"}
        state = {
            f"{renamed.get(k.rpartition('.')[0], k.rpartition('.')[0])}.{k.rpartition('.')[2]}": v
            for k, v in names.items()
        }
        assert sorted(state) == sorted(keys)
        twin.load_state_dict(state, strict=False)
        torch.testing.assert_close(net(x), twin(x), rtol=1e-12, atol=1e-12)


def first_gradient(block: BlockType, gamma: float = 1.0) -> float:
    """Give the gradient of F's last norm, whose scale is gamma, in the first step of a block."""
    torch.manual_seed(1)
    net: Any = block.make(8, 8, 1, bottleneck=False, place=Place())
    net.reset_parameters()
    nn.init.constant_(net.bn2.weight, gamma)
    z, weights = torch.randn(2, 16, 8, 8, 8)
    out = net(z)
    ((out[0] if isinstance(out, tuple) else out) * weights).mean().backward()
    return float(net.bn2.weight.grad.norm())


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("ncp_tutorial", "pdc_small")])  # without bn2
def test_the_first_gradient_is_that_of_a_residual_block(name: str) -> None:
    bound = 4 if name == "dpoly" else 2  # whose α starts at 1
    assert first_gradient(kind(name)) <= bound * first_gradient(kind("residual"))


def test_a_norm_of_a_product_with_zeros_multiplies_the_first_gradient() -> None:
    for name in ("pi", "table5"):
        assert first_gradient(kind(name, zero_init=False), gamma=0) > 100 * first_gradient(kind("residual"))
        assert first_gradient(kind(name), gamma=0) <= 2 * first_gradient(kind("residual"))


@pytest.mark.parametrize("name", ["pi", "table5", "ncp", "rpoly", "ncp_tutorial"])
def test_products_and_their_norms_are_exact_under_autocast(name: str) -> None:
    net = kind(name).make(8, 8, 1, bottleneck=False, place=Place())
    seen = []
    last = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)][-1]
    last.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0].dtype, output.dtype)))
    with torch.autocast("cpu", torch.bfloat16):
        out = net(torch.randn(2, 8, 6, 6, dtype=torch.bfloat16))
    assert out.dtype == torch.bfloat16
    if name != "ncp_tutorial":
        assert seen == [(torch.float32, torch.float32)]


def test_a_product_beyond_float16_is_no_infinity() -> None:
    net = made(kind("pi"), 4, 4, 1).float()
    f = torch.full((2, 4, 3, 3), 3e4, dtype=torch.float16)
    f[0] = 1
    with torch.autocast("cpu", torch.float16):
        assert net.train().meet(f, f / 2).isfinite().all()
    assert not (f * f / 2).isfinite().all()


def test_starts_survive_another_width() -> None:
    net = narrow(kind("pi"))
    assert all(not stage[0].bn3.weight.any() for stage in (net.layer1, net.layer2, net.layer3, net.layer4))
    plain: Any = resnet10(4, kind("pi", zero_init=False))
    scale_width(plain, 4, "x")
    assert plain.layer1[0].bn3.weight.all()
    drawn: Any = resnet10(4, kind("rpoly"))
    scale_width(drawn, 2, "x")
    assert drawn.layer4[0].conv2.weight.std().item() == pytest.approx(4 / (9 * 256) ** 0.5, rel=0.01)
    assert drawn.layer1[0].bn1.instance == 25


def test_rpoly_has_norms_and_tails_by_stage() -> None:
    with torch.device("meta"):
        net: Any = pinet(10, kind("rpoly"))
    assert not any(isinstance(module, nn.ReLU) for module in net.modules())
    kinds = [[type(part).__name__ for part in stage] for stage in (net.layer1, net.layer2, net.layer3, net.layer4)]
    tails = [["RPoly", "RPoly", "MaxPool2d", "DropBlock"]] * 2 + [["RPoly", "MaxPool2d"], ["RPoly"]]
    assert kinds == tails
    firsts = [type(stage[0].bn1).__name__ for stage in (net.layer1, net.layer2, net.layer3, net.layer4)]
    assert firsts == ["IBN", "IBN", "IBN", "BatchNorm2d"]


def test_convolutions_within_a_block_become_high_order() -> None:
    net = narrow(kind("table5"), 0.125)
    new, report = convert(net, "polynomial2d", rescale_planes="match")
    swapped = {swap.name for swap in report.swapped if swap.name.startswith("layer2.0.conv")}
    assert swapped == {f"layer2.0.conv{index}" for index in (1, 2, 3, 4)}
    assert abs(report.parameters_after / report.parameters_before - 1) < 0.1
    new(torch.randn(4, 3, 16, 16)).sum().backward()


def test_unknown_blocks_are_refused() -> None:
    with pytest.raises(UserError, match=r"^block=pie: unknown block; expected one of residual, pi, "):
        BlockType("pie")


def test_dpoly_multiplies_with_all_earlier_blocks() -> None:
    """In evaluation, where the norms are linear: H = θ F S I(P(H₂ H₁)) + F S, and F + S + α N(conv1×1(H))."""
    net = kind("dpoly").make(4, 6, 2, bottleneck=False, place=Place(1, 2)).double().eval()
    for tensor in (*net.parameters(), *net.buffers()):
        tensor.data = torch.rand_like(tensor) + 0.2 if tensor.is_floating_point() else tensor
    z, h1, h2 = (torch.randn(2, 4, 8, 8, dtype=torch.float64) for _ in range(3))
    p, (f, s) = Plain(net), net.halves(z)
    brought = []
    for index, h in enumerate((h1, h2)):
        x = p.conv("convh", h, 2) - p.t["bnh.running_mean"][index][:, None, None]
        x = x / (p.t["bnh.running_var"][index][:, None, None] + 1e-5).sqrt()
        brought.append(x * p.t["bnh.weight"][:, None, None] + p.t["bnh.bias"][:, None, None])
    mapped = F.conv2d(brought[0] * brought[1], p.t["convp.weight"], p.t["convp.bias"])
    x = mapped.view(2, 3, 2, 4, 4) - p.t["bnp.running_mean"].view(3, 2, 1, 1)  # 6 channels in groups of gcd(6, 64) = 2
    white = torch.einsum("gij,bgjhw->bgihw", p.t["bnp.running_whitening"], x).reshape(2, 6, 4, 4)
    white = white * p.t["bnp.weight"][:, None, None] + p.t["bnp.bias"][:, None, None]
    h = p.t["theta"] * f * s * white + f * s
    out, handed = net((z, (h1, h2)))
    wanted = f + s + p.t["alpha"] * p.bn("bn3", p.conv("conv3", h))
    assert (out - wanted).abs().max() <= 1e-10
    assert len(handed) == 3
    assert (handed[2] - h).abs().max() <= 1e-10


def test_dpoly_starts_as_rpoly_with_alpha_one() -> None:
    net = narrow(kind("dpoly"))
    blocks = [stage[0] for stage in (net.layer1, net.layer2, net.layer3, net.layer4)]
    assert all(block.alpha == 1 and block.theta == 0 for block in blocks)
    learning = {name for name, parameter in net.layer1[0].named_parameters() if not parameter.requires_grad}
    assert learning == {"theta", "convp.weight", "convp.bias", "bnp.weight", "bnp.bias"}
    net(torch.randn(4, 3, 16, 16)).sum().backward()
    assert all(p.grad is not None for p in net.parameters() if p.requires_grad)
    staged = Staged(net, torch.zeros(2, 3, 16, 16))
    staged.select(2)
    assert staged(torch.randn(2, 3, 16, 16)).shape == (2, 4)


def test_a_short_bottleneck_is_refused() -> None:
    options = {"block": kind("pdc_small"), "bottleneck": True}
    with pytest.raises(UserError, match=r"block\.short=true: the first layer of a bottleneck has too few channels"):
        image_classifier(pinet, channels=3, classes=4, image_size=32, options=options)


@pytest.mark.parametrize("width", [1.0, 0.5])
def test_convolutions_may_start_as_torchs(width: float) -> None:
    options = {"layers": [1, 1, 1, 1], "start": "torch"}
    net: Any = image_classifier(pinet, channels=3, classes=4, image_size=16, width=width, options=options)
    for conv in (net.conv1, net.layer4[0].conv2):
        fan_in = conv.weight[0].numel()
        assert conv.weight.std().item() == pytest.approx((3 * fan_in) ** -0.5, rel=0.05)
