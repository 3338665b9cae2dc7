"""Gates start as the block without them, to the bit, learn, and stay what they are whatever is done to the network."""

from typing import Any

import pytest
import torch
from torch import nn

from high_order_nets.conversion import convert
from high_order_nets.conversion.counting import count_parameters, multiply_adds
from high_order_nets.conversion.widths import scale_width
from high_order_nets.errors import UserError
from high_order_nets.models.blocks.gates import QuadraticGate
from high_order_nets.models.resnet import resnet10
from high_order_nets.optim.groups import parameter_groups
from tests.models.blocks.kinds import kind, same_beside, seeded, step


def gates(net: nn.Module) -> list[QuadraticGate]:
    return [module for module in net.modules() if isinstance(module, QuadraticGate)]


@pytest.mark.parametrize("layer_type", [None, "polynomial2d"])
@pytest.mark.parametrize("name", ["residual", "pi"])
@pytest.mark.parametrize("bottleneck", [False, True])
def test_the_start_and_the_first_step_are_those_without_a_gate(
    name: str, bottleneck: bool, layer_type: str | None
) -> None:
    plain = seeded(kind(name), layer_type, bottleneck=bottleneck)
    net = seeded(kind(name, gate="quadratic"), layer_type, bottleneck=bottleneck)
    assert same_beside("gate", net, plain)
    assert torch.equal(step(net), step(plain))
    assert same_beside("gate", net, plain)


def test_a_gate_learns_from_the_first_step_on() -> None:
    net = seeded(kind("gate"))
    starts = [gate.squeeze_weight.clone() for gate in gates(net)]
    step(net)
    assert all(gate.excite_weight.any() for gate in gates(net))
    step(net)
    assert all(not torch.equal(gate.squeeze_weight, start) for gate, start in zip(gates(net), starts, strict=True))


def test_gradients_of_a_gate() -> None:
    net = QuadraticGate(4, 2).double()
    nn.init.normal_(net.excite_weight, std=0.3)
    x = torch.randn(2, 4, 3, 3, dtype=torch.float64, requires_grad=True)

    def forward(x: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(net, dict(zip(dict(net.named_parameters()), weights, strict=True)), x)

    assert torch.autograd.gradcheck(forward, (x, *net.parameters()))


def test_a_is_hes_and_another_one_in_each_gate() -> None:
    wide, other = (QuadraticGate(512, 2).squeeze_weight for _ in range(2))
    assert torch.equal(wide, other)  # as the random state has not gone on
    assert wide.std().item() == pytest.approx((2 / 512) ** 0.5, rel=0.02)
    torch.rand(1)
    assert not torch.equal(wide, QuadraticGate(512, 2).squeeze_weight)


@pytest.mark.parametrize("name", ["gate", "se"])
def test_gates_scale_with_the_width(name: str) -> None:
    net = seeded(kind(name))
    assert [stage[0].gate(torch.ones(1, width, 2, 2)).shape[1] for stage, width in stages(net)] == [16, 32, 64, 128]
    ranks = [next(gate.parameters()).shape[0] for gate in (stage[0].gate for stage, _ in stages(net))]
    assert ranks == [1, 2, 4, 8]


def test_a_gate_with_a_hook_is_not_resized() -> None:
    net: Any = resnet10(4, kind("gate"))
    net.layer1[0].gate.register_forward_hook(print)
    with pytest.raises(UserError, match=r"^asked: cannot resize layer1\.0\.gate: it has hooks"):
        scale_width(net, 2, "asked")


def stages(net: Any) -> list[tuple[Any, int]]:
    return [(stage, stage[0].channels // 4) for stage in (net.layer1, net.layer2, net.layer3, net.layer4)]


def test_a_conversion_leaves_gates() -> None:
    for name, kinds in (("gate", set()), ("se", {"Conv2d (part of a gate (squeeze-and-excitation))"})):
        net, report = convert(seeded(kind(name)), "polynomial2d")
        assert {type(module).__name__ for module in net.layer1[0].gate.modules()} <= {
            *("QuadraticGate", "SqueezeExcitation", "AdaptiveAvgPool2d", "Conv2d", "ReLU", "Sigmoid")
        }
        assert {f"{kept.kind} ({kept.reason})" for kept in report.kept if ".fc" in kept.name} == kinds


def test_gates_are_weights_and_cost_little() -> None:
    net = seeded(kind("gate"))
    decayed, _ = parameter_groups(net, 0.1)
    weights = {id(parameter) for parameter in decayed["params"]}
    assert all(id(parameter) in weights for gate in gates(net) for parameter in gate.parameters())
    added = sum(parameter.numel() for gate in gates(net) for parameter in gate.parameters())
    assert added == count_parameters(net) - count_parameters(seeded(kind("residual"))) == 2 * (16 + 64 + 256 + 1024)

    def example(batch: int) -> torch.Tensor:
        return torch.empty(batch, 3, 16, 16, device="meta")

    assert multiply_adds(net, example) - multiply_adds(seeded(kind("residual")), example) == added


def test_decay_leaves_the_scale_of_the_product() -> None:
    net = seeded(kind("pi", gate="quadratic"))
    _, others = parameter_groups(net, 0.1)
    assert others["weight_decay"] == 0
    assert any(parameter is net.layer1[0].bn3.weight for parameter in others["params"])


def test_a_gate_is_exact_under_autocast_and_in_halves() -> None:
    net = QuadraticGate(8, 2)
    nn.init.normal_(net.excite_weight)
    x = torch.randn(2, 8, 5, 5).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        found = net(x)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, net(x.float()).bfloat16())
    assert net.bfloat16()(x).dtype == torch.bfloat16


def test_frozen_gates_stay_frozen_at_another_width() -> None:
    net: Any = resnet10(4, kind("gate"))
    net.layer1[0].gate.requires_grad_(False)
    scale_width(net, 4, "asked")
    assert not any(parameter.requires_grad for parameter in net.layer1[0].gate.parameters())
    assert all(parameter.requires_grad for parameter in net.layer2[0].gate.parameters())


def test_unknown_gates_are_refused() -> None:
    with pytest.raises(UserError, match=r"^block\.gate=sigmoid: unknown gate; expected one of none, quadratic, se$"):
        kind("gate", gate="sigmoid").make(4, 4, 1, bottleneck=False, place=None)  # type: ignore[arg-type]
