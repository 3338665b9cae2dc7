"""Torchvision's own weights, from a stand-in where it keeps them: the same output as torchvision's, and no code."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import nn
from torchvision.models import SqueezeNet1_1_Weights

from high_order_nets import load
from high_order_nets.errors import UserError
from high_order_nets.files import digest
from high_order_nets.models.pretrained import pretrained
from high_order_nets.training import run
from tests.experiments import write_images

LINE = ("model_name=squeezenet1_1", "layer_type=standard", "pretrained=true", "trainer=debug")
BEST = SqueezeNet1_1_Weights.DEFAULT
Settings = Callable[..., dict[str, Any]]


class Touch:
    """What pickle would call on reading: a file is written."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where torchvision looks for the weights, empty; nothing is downloaded."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("torch.hub.download_url_to_file", lambda *_, **__: (_ for _ in ()).throw(OSError("no network")))
    found = tmp_path / "torch" / "hub" / "checkpoints" / Path(BEST.url).name
    found.parent.mkdir(parents=True)
    return found


@pytest.fixture
def stand_in(place: Path) -> nn.Module:
    net = torchvision.models.squeezenet1_1()
    torch.save(net.state_dict(), place)
    return net.eval()


def test_a_thousand_classes_keep_the_head_and_all_is_as_torchvision_has_it(
    stand_in: nn.Module, place: Path, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIGH_ORDER_NETS_DATA", str(tmp_path))
    write_images(tmp_path, "thousand", 1000, 3, 40)
    run.train(settings("dataset=thousand", *LINE, "lr=1e-30", f"dataset.root={tmp_path}"), tmp_path / "run")
    images = torch.randint(0, 256, (2, 3, 40, 40), dtype=torch.uint8)
    found = load(tmp_path / "run")
    with torch.no_grad():
        expected = stand_in(BEST.transforms()(images))  # pixels rounded after they were resized
        assert torch.allclose(found(images), expected, atol=2e-2 * float(expected.std()))
    assert found.metadata["metrics"]["origin"] == {"weights": str(BEST), "path": str(place), "sha256": digest(place)}


def test_other_classes_get_a_new_head_alone(stand_in: nn.Module, settings: Settings) -> None:
    state = torch.random.get_rng_state()
    source, _ = pretrained(settings("dataset=cifar10", *LINE))
    assert torch.random.get_rng_state().equal(state)
    taken = torchvision.models.squeezenet1_1(num_classes=10)
    source.load(taken)
    differ = {name for name, tensor in taken.named_parameters() if not tensor.equal(source.state[name])}
    assert {name for name in differ if not name.startswith("classifier.1.")} == set()
    assert taken.features[0].weight.equal(stand_in.features[0].weight)  # type: ignore[index, union-attr]


@pytest.mark.usefixtures("place")
def test_without_a_network_it_is_said_where_to_put_them(settings: Settings, place: Path) -> None:
    with pytest.raises(UserError, match=f"cannot be fetched from {BEST.url} .*no network.* put it at {place}$"):
        pretrained(settings("dataset=cifar10", *LINE))


@pytest.mark.parametrize("kind", ["text", "code", "another"])
def test_a_file_that_is_something_else_runs_no_code(kind: str, settings: Settings, place: Path, tmp_path: Path) -> None:
    content: dict[str, Any] = {"code": Touch(tmp_path / "marker"), "another": {"weight": torch.ones(1)}}
    place.write_text("x") if kind == "text" else torch.save(content[kind], place)
    with pytest.raises(UserError, match=f"^pretrained=true: {place} is not .*: delete it and run again$"):
        pretrained(settings("dataset=cifar10", *LINE))
    assert not (tmp_path / "marker").exists()


@pytest.mark.usefixtures("stand_in")
def test_grey_images_are_refused(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="of the colours torchvision's weights take three, and dataset=digits has 1"):
        run.train(settings("dataset=digits", *LINE), tmp_path / "run")
