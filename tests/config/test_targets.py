"""A `_target_` leads only where its group may go."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
import yaml

from high_order_nets import targets
from high_order_nets.basis import Basis
from high_order_nets.errors import UserError
from high_order_nets.layers import LayerType
from high_order_nets.names import TORCHVISION
from high_order_nets.paths import conf_dir
from high_order_nets.targets import check

# As the factories ask.
ACCEPTED: dict[str, Any] = {
    "layer_type": (Basis, LayerType),
    "model_name": torch.nn.Module,
    "optimizer": torch.optim.Optimizer,
}
HOSTILE = [
    ("os.system", "optimizer"),
    ("numpy.testing.measure", "optimizer"),
    ("torch.hub.load", "model_name"),
    ("torch.optim.os.system", "optimizer"),
    ("torch.optim.adam.cast", "optimizer"),
    ("torch.optim.lr_scheduler.StepLR", "optimizer"),
    ("torch.optim.lr_scheduler", "optimizer"),
    ("torch.optim.Adam.__init__", "optimizer"),
    ("torch.optim.Adam.step", "optimizer"),
    ("torch.optim..Adam", "optimizer"),
    ("torch.optim.", "optimizer"),
    ("torch.optimx.Adam", "optimizer"),
    ("pytorch_optimizer.load_optimizer", "optimizer"),
    ("pytorch_optimizer.torch.hub.load", "optimizer"),
    ("high_order_nets.cli.main", "optimizer"),
    ("high_order_nets.__main__.main", "optimizer"),
    ("torchvision.models.list_models", "model_name"),
    ("torchvision.models.resnet", "model_name"),
    ("torchvision.models.resnet.nn.Linear", "model_name"),
    ("torchvision.models.ResNet18_Weights", "model_name"),
    ("torchvision.models.resnet18", "layer_type"),
    ("high_order_nets.basis.math", "layer_type"),
    ("high_order_nets.layers.HighOrder", "layer_type"),
    ("high_order_nets.layers.structured.no.such", "layer_type"),
    ("high_order_nets.layers.structuredx.Mine", "layer_type"),
    ("pytorch_optimizer.create_optimizer", "optimizer"),
    ("high_order_nets.basis.Polynomial", "dataset"),
    (None, "optimizer"),
    (["torch.optim.Adam"], "optimizer"),
]


def resolve(target: str, kind: str) -> Callable[..., Any]:
    return targets.resolve(target, kind, ACCEPTED.get(kind, object), builders=kind == "model_name")


@pytest.mark.parametrize(("target", "kind"), HOSTILE)
def test_hostile_targets_are_refused(target: str, kind: str) -> None:
    with pytest.raises(UserError, match="_target_"):
        resolve(target, kind)


def test_a_refused_name_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hostile.py").write_text("raise SystemExit('executed')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError):
        resolve("hostile.Adam", "optimizer")


@pytest.mark.parametrize("kind", ["layer_type", "model_name", "optimizer"])
def test_every_file_of_a_group_passes_the_check(kind: str) -> None:
    for file in (conf_dir() / kind).glob("*.yaml"):
        target = yaml.safe_load(file.read_text())["_target_"]
        if target is not None:
            check(target, kind)


def test_every_layer_type_and_optimizer_resolves() -> None:
    for kind in ("layer_type", "optimizer"):
        for file in (conf_dir() / kind).glob("*.yaml"):
            target = yaml.safe_load(file.read_text())["_target_"]
            if target is not None:
                assert isinstance(resolve(target, kind), type)


def test_every_optimizer_takes_the_keywords_of_its_file() -> None:
    for file in (conf_dir() / "optimizer").glob("*.yaml"):
        node = yaml.safe_load(file.read_text())
        ours = ("_target_", "default_learning_rate", "default_weight_decay", "create_graph")
        keywords = {key: value for key, value in node.items() if key not in ours}
        resolve(node["_target_"], "optimizer")([torch.nn.Parameter(torch.zeros(2))], **keywords)


def test_the_static_names_are_torchvisions() -> None:
    assert list(TORCHVISION) == sorted(torchvision.models.list_models(module=torchvision.models))
    for name in TORCHVISION:
        assert callable(resolve(f"torchvision.models.{name}", "model_name"))
