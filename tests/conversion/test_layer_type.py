"""A layer type that is no basis: it replaces layers by others, of ordinary weights."""

import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from high_order_nets import cli, convert
from high_order_nets.conversion.counting import count_parameters, count_reduced_parameters, multiply_adds
from high_order_nets.data.images.normalise import Normalisation
from high_order_nets.data.spec import ImageSpec
from high_order_nets.errors import UserError
from high_order_nets.layers import HighOrder, HighOrderLinear, LayerType, make_synapse
from high_order_nets.models.factory import layer_type, network
from high_order_nets.models.mlp import mlp
from tests.experiments import composed

NAME = "high_order_nets.layers.structured.toy"
DIGITS = ImageSpec(1, 8, tuple("0123456789"), Normalisation.to_interval(1, 2.0))


@dataclass(frozen=True)
class LowRank(LayerType):
    """W = A B with A (out, rank), B (rank, in), for linear layers wider than the rank."""

    rank: int = 2

    def replace(self, layer: nn.Module) -> nn.Module:
        assert isinstance(layer, nn.Linear)
        like: dict[str, Any] = {"device": layer.weight.device, "dtype": layer.weight.dtype}
        inner = nn.Linear(layer.in_features, self.rank, bias=False, **like)
        return nn.Sequential(inner, nn.Linear(self.rank, layer.out_features, layer.bias is not None, **like))

    def unsuited(self, layer: nn.Module) -> str | None:
        return None if isinstance(layer, nn.Linear) and layer.out_features > self.rank else "no linear layer to split"


class Bending(LowRank):
    """The same, but without activations between."""

    bends = True


def net() -> nn.Module:
    return mlp(num_classes=5, channels=1, image_size=4, hidden_width=8, hidden_layers=2)


def test_layers_are_replaced_and_activations_stay() -> None:
    before = net().double().eval()
    new, report = convert(before, LowRank(3))
    assert [str(kind) for kind in (swap.new for swap in report.swapped)] == ["Sequential"] * 2  # the head stays linear
    assert all(swap.fresh for swap in report.swapped)
    assert [kept.reason for kept in report.kept] == ["linear head"]
    assert sum(isinstance(module, nn.ReLU) for module in new.modules()) == 2
    counted = 16 * 3 + 3 * 8 + 8 * 3 + 3 * 8 + 2 * 16 + 8 * 5 + 5
    assert report.parameters_after == report.parameters_reduced == count_parameters(new) == counted
    assert count_reduced_parameters(new) == counted
    assert "swapped 2 × Linear → Sequential" in str(report)
    assert "weights of swapped layers: new, to be trained" in str(report)
    assert new(torch.zeros(2, 1, 4, 4, dtype=torch.float64)).dtype == torch.float64
    assert not any(module.training for module in new.modules())
    assert multiply_adds(new.float(), lambda batch: torch.zeros(batch, 1, 4, 4, device="meta")) == counted - 2 * 16 - 5


def test_one_that_bends_takes_the_activations_out() -> None:
    new, _ = convert(net(), Bending(3))
    assert not [module for module in new.modules() if isinstance(module, nn.ReLU)]
    kept, _ = convert(net(), Bending(3), activation="keep")
    assert sum(isinstance(module, nn.ReLU) for module in kept.modules()) == 2


def test_another_activation_stands_between_its_layers_alone() -> None:
    stack = nn.Sequential(nn.Sequential(nn.Linear(4, 8), nn.ReLU()), nn.Sequential(nn.Linear(8, 2), nn.ReLU()))
    new, report = convert(stack, LowRank(3), activation="silu", linear_output=False)
    assert [type(block[1]).__name__ for block in new.children()] == ["SiLU", "ReLU"]  # type: ignore[index]
    assert {(kept.name, kept.reason) for kept in report.kept} == {
        ("1.0", "no linear layer to split"),
        ("1.1", "not between converted layers"),
    }


def test_the_widths_can_match_its_parameters() -> None:
    _, report = convert(net(), LowRank(1), rescale_planes="match")
    assert report.divisor < 1
    assert abs(report.parameters_after - report.parameters_before) < 0.1 * report.parameters_before


def test_options_beside_it_are_refused() -> None:
    with pytest.raises(UserError, match="n: options belong to a layer type's name; a LowRank has its own"):
        convert(net(), LowRank(), n=3)


def test_a_synapse_and_its_layer_type_make_the_same_network() -> None:
    synapse = make_synapse("polynomial", n=3)
    torch.manual_seed(0)
    one, _ = convert(net(), synapse)
    torch.manual_seed(0)
    other, _ = convert(net(), HighOrder(synapse))
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    assert all(torch.equal(*pair) for pair in pairs)
    assert [type(m) for m in other.modules()].count(HighOrderLinear) == 2


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A --config-dir whose layer type is one of the package's structured ones."""
    module: Any = ModuleType(NAME)
    module.LowRank, module.Stranger = LowRank, type("Stranger", (), {"__module__": NAME})
    monkeypatch.setattr(LowRank, "__module__", NAME)
    monkeypatch.setitem(sys.modules, NAME, module)
    (tmp_path / "layer_type").mkdir()
    (tmp_path / "layer_type" / "low_rank.yaml").write_text(f"# two thin layers\n_target_: {NAME}.LowRank\nrank: 3\n")
    return tmp_path


def test_the_config_makes_it(groups: Path) -> None:
    line = ("layer_type=low_rank", "model_name=mlp", "dataset=digits", "--config-dir", str(groups))
    config = composed(*line)
    assert layer_type(config) == LowRank(3)
    assert {"n", "domain", "clamp_weights"} <= set(config["unread"])
    assert not {"skip", "linear_output"} & set(config["unread"])
    assert layer_type(composed(*line, "layer_type.rank=2")) == LowRank(2)
    new, report = network(config, DIGITS)
    assert sum(swap.fresh for swap in report.swapped) == 2
    assert any(isinstance(module, nn.ReLU) for module in new.modules())


def test_it_has_no_names_with_dimensions_and_none_of_strangers(groups: Path, capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["train", "layer_type=low_rank2d", "--config-dir", str(groups)]) == 2
    assert "layer_type=low_rank2d: unknown layer type; nearest valid name: low_rank" in capsys.readouterr().err
    config = composed("layer_type=low_rank", "--config-dir", str(groups))
    for target, reason in ((f"{NAME}.Stranger", "not a basis or layer type"), ("mine.LowRank", "foreign _target_")):
        with pytest.raises(UserError, match=reason):
            layer_type(config | {"layer_type": {"_target_": target}})


def test_that_nothing_fits_is_said(groups: Path) -> None:
    config = composed("layer_type=low_rank", "layer_type.rank=1000", "model_name=mlp", "--config-dir", str(groups))
    with pytest.raises(UserError, match="layer_type=low_rank: fits no layer of this network"):
        network(config, DIGITS)
