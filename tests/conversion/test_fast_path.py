"""Transformers of torch.nn, whose fast path in evaluation reads the weights and norms of their parts."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from high_order_nets import convert
from high_order_nets.conversion.swaps import turn_off_fast_path
from tests.conversion.test_source import OPTIONS, assert_all_ways_agree, converted

pytestmark = pytest.mark.filterwarnings("ignore:.*nested tensor")


def layer(**options: Any) -> nn.TransformerEncoderLayer:
    return nn.TransformerEncoderLayer(8, 2, 32, dropout=0.0, batch_first=True, **options)


def encoder(**options: Any) -> nn.Module:
    return nn.TransformerEncoder(layer(**options), 2)


class Masked(nn.Module):
    """A transformer of sequences of two lengths."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.encoder = encoder(**options)

    def forward(self, x: Tensor) -> Tensor:
        padded = torch.tensor([[False] * 5, [False] * 3 + [True] * 2])
        return self.encoder(x, src_key_padding_mask=padded).masked_fill(padded.unsqueeze(-1), 0)


class Decoder(nn.Module):
    """A decoder that sees its own input."""

    def __init__(self) -> None:
        super().__init__()
        self.decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 32, dropout=0.0, batch_first=True), 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(x, x)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize(("build", "swapped"), [(layer, 2), (encoder, 4), (Masked, 4), (Decoder, 4)])
def test_all_ways_to_evaluate_agree(build: Any, swapped: int, options: dict[str, Any]) -> None:
    net, report = converted(build(), **options)
    assert len(report.swapped) == swapped
    assert_all_ways_agree(net, torch.randn(2, 5, 8))


@pytest.mark.parametrize("norm", ["none", "max_abs", "l2"])
@pytest.mark.parametrize("layer_type", ["standard", "polynomial"])
def test_a_transformers_norms_are_not_read_either(layer_type: str, norm: str) -> None:
    net, report = convert(Masked(), layer_type, norm=norm, activation="keep")
    assert sum(swap.old == "LayerNorm" for swap in report.swapped) == 4
    assert_all_ways_agree(net, torch.randn(2, 5, 8))


def test_a_transformers_activation_is_the_one_that_it_was_given() -> None:
    net, report = convert(encoder(activation=nn.ReLU()), "standard", activation="tanh")
    assert len(report.swapped) == 2
    assert_all_ways_agree(net, torch.randn(2, 5, 8))
    _, report = convert(encoder(), "polynomial", n=3, linear_output=False)
    assert "TransformerEncoderLayer (activation=none: its forward calls an activation function" in str(report)


def test_a_transformer_may_have_layers_that_are_skipped() -> None:
    net, _ = converted(Masked(), skip=["encoder.layers.0"])
    assert_all_ways_agree(net, torch.randn(2, 5, 8))


def test_only_transformers_with_new_parts_leave_the_fast_path() -> None:
    changed, other = layer(), layer()
    net = nn.Sequential(changed, other)
    turn_off_fast_path(net, [changed.linear1])
    assert (bool(changed.activation_relu_or_gelu), bool(other.activation_relu_or_gelu)) == (False, True)
    assert not any(hasattr(module, "use_nested_tensor") for module in net.modules())
