"""Networks of timm by their names, where it is installed."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from high_order_nets import cli, load
from high_order_nets.data.images.normalise import Normalisation
from high_order_nets.data.spec import ImageSpec
from high_order_nets.errors import UserError
from high_order_nets.inference.export import export
from high_order_nets.models.factory import network
from high_order_nets.models.from_timm import timm_model
from tests.experiments import composed, train_in

IMAGES = ImageSpec(1, 32, tuple("0123456789"), Normalisation.to_interval(1, 2.0, None))


def test_without_timm_one_line_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "timm.models", None)
    assert cli.main(["train", "model_name=timm/resnet18"]) == 2
    assert capsys.readouterr().err.endswith('needs timm; install it by: pip install "high-order-nets[timm]"\n')


timm = pytest.importorskip("timm")


@pytest.mark.parametrize(
    ("line", "swapped", "activations", "kept"),
    [
        ("timm/resnet18", 20, 17, "1 × Linear (linear head)"),
        ("timm/vit_tiny_patch16_224 model_name.depth=2", 8, 2, "1 × Conv2d (PatchEmbed.set_input_size reads its bias)"),
        ("timm/convnext_atto", 40, 12, "1 × Linear (linear head)"),
        ("timm/efficientnet_b0", 49, 33, "32 × Conv2d (part of a gate (squeeze-and-excitation))"),
    ],
)
def test_what_is_swapped_in_them(line: str, swapped: int, activations: int, kept: str) -> None:
    config = composed(*f"model_name={line} layer_type=polynomial2d n=2".split())
    with torch.device("meta"):
        net, report = network(config, IMAGES)
        assert net.eval()(torch.zeros(2, 1, 32, 32)).shape == (2, 10)
    assert sum(swap.fresh for swap in report.swapped) == swapped
    assert sum(swap.new == "Identity" for swap in report.swapped) == activations
    assert f"kept {kept}" in str(report)


def test_keys_are_the_arguments_of_the_network() -> None:
    config = composed(*["model_name=timm/resnet18", "model_name.drop_path_rate=0.2", "model_name.stem_type=deep"])
    net, _ = network(config, IMAGES)
    rates: list[Any] = [module.drop_prob for module in net.modules() if type(module).__name__ == "DropPath"]
    assert max(rates) == pytest.approx(0.2)
    assert isinstance(net.conv1, torch.nn.Sequential)
    with pytest.raises(UserError, match=r"unknown key model_name\.drop_path; nearest valid name: model_name\.drop"):
        composed("model_name=timm/resnet18", "model_name.drop_path=0.2")
    with pytest.raises(UserError, match="model_name=timm/resnet81: unknown model; nearest valid name: resnet"):
        composed("model_name=timm/resnet81")


def test_a_standard_one_is_timms_own() -> None:
    torch.manual_seed(3)
    net, _ = network(composed("model_name=timm/resnet18", "layer_type=standard"), IMAGES)
    torch.manual_seed(3)
    own = timm.create_model("resnet18", num_classes=10, in_chans=1)
    pairs = zip(net.state_dict().values(), own.state_dict().values(), strict=True)
    assert all(torch.equal(*pair) for pair in pairs)


HOSTILE = {
    "hf-hub:timm/resnet18": {},
    "local-dir:x": {},
    "../resnet18": {},
    "resnet18": {"checkpoint_path": "x.pth"},
    "resnet18 ": {"pretrained": True},
    "resnet34": {"pretrained_cfg": {"url": "http://localhost/x.pth"}},
    "resnet50": {"pretrained": True},
    "resnet26": {"features_only": True},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_file_and_no_address_is_opened(name: str) -> None:
    with pytest.raises(UserError, match=r"unknown model|takes no"):
        timm_model(name, 1, 10, 32, **HOSTILE[name])


def test_a_run_is_loaded_and_exported(tmp_path: Path) -> None:
    line = "model_name=timm/test_resnet model_name.drop_path_rate=0.1 dataset.image_size=32 trainer=debug"
    train_in(composed(*line.split(), "plots.enabled=false"), tmp_path / "run")
    net = load(tmp_path / "run").eval()
    assert net(torch.rand(2, 1, 8, 8)).shape == (2, 10)
    assert export(tmp_path / "run", "torch_export").difference < 1e-5
