"""Which modules and parameters a word or a pattern means."""

import pytest
import torchvision
from torch import nn

from high_order_nets import convert
from high_order_nets.conversion.patterns import meant, parts
from high_order_nets.errors import UserError
from high_order_nets.models.resnet import resnet10_small


def owned(pattern: str, net: nn.Module) -> set[str]:
    return meant(f"freeze={pattern}", pattern, net)[1]


def test_to_a_word_belong_the_norms_of_its_layers() -> None:
    net = resnet10_small(num_classes=10)
    assert owned("stem", net) == {"conv1.weight", "bn1.weight", "bn1.bias"}
    assert owned("head", net) == {"fc.weight", "fc.bias"}
    assert owned("downsample", net) == {name for name, _ in net.named_parameters() if "downsample" in name}
    assert "bn1" in meant("freeze", "stem", net)[0]


def test_a_pattern_means_all_below_it() -> None:
    net = resnet10_small(num_classes=10)
    below = {name for name, _ in net.named_parameters() if name.startswith("layer2.")}
    assert owned("layer2", net) == owned("layer2.*", net) == below
    assert owned("*.bn1", net) == {f"layer{k}.0.bn1.{own}" for k in range(1, 5) for own in ("weight", "bias")}
    assert owned("fc.bias", net) == {"fc.bias"}


def test_parameters_of_no_layer_have_names_too() -> None:
    net = torchvision.models.VisionTransformer(8, 4, 1, 1, 8, 8, num_classes=2)
    assert owned("stem", net) == {"conv_proj.weight", "conv_proj.bias"}
    assert owned("class_token", net) == {"class_token"}
    assert "encoder.pos_embedding" in owned("encoder", net)


def test_a_layer_of_several_is_one() -> None:
    net, _ = convert(resnet10_small(num_classes=10), "polynomial2d", sharing="channel", rank=1)
    assert parts(net)[:2] == ["conv1", "layer1.0.conv1"]
    assert {"conv1.main.weight", "conv1.second.shape", "conv1.mix.weight", "bn1.bias"} <= owned("stem", net)


@pytest.mark.parametrize(
    ("pattern", "message"), [("layer9", "matches no layer; nearest name: layer"), ("", "matches no")]
)
def test_a_pattern_of_nothing_is_refused(pattern: str, message: str) -> None:
    with pytest.raises(UserError, match=f"^freeze={pattern}: {message}"):
        owned(pattern, resnet10_small(num_classes=10))
