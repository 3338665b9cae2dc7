"""weights=keep: high order out of a trained network, and in a run."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from high_order_nets import convert, load, refine
from high_order_nets.models.resnet import resnet10
from high_order_nets.models.vision import image_classifier
from high_order_nets.tasks import Classification
from high_order_nets.tasks.experiment import build
from high_order_nets.training import run
from high_order_nets.training.callbacks.align import Align
from tests.training.crashes import assert_equal, crash_at, results

FAST = ("model_name=simple", "dataset=digits", "train_fraction=0.1", "batch_size=64", "max_epochs=2", "width=0.5")
KEEP = ("weights=keep", "domain=linear")


def digits() -> tuple[Tensor, Tensor]:
    found = load_digits()
    return torch.tensor(found.images, dtype=torch.float32).unsqueeze(1) / 8 - 1, torch.tensor(found.target)


def train(net: nn.Module, images: Tensor, labels: Tensor, epochs: int, rate: float) -> None:
    optimizer = torch.optim.Adam(net.train().parameters(), rate)
    for _ in range(epochs):
        for batch in torch.randperm(len(images)).split(64):
            optimizer.zero_grad()
            cross_entropy(net(images[batch]), labels[batch]).backward()
            optimizer.step()


@torch.no_grad()
def accuracy(net: nn.Module, images: Tensor, labels: Tensor) -> float:
    return float((net.eval()(images).argmax(1) == labels).double().mean())


def test_a_trained_resnet_becomes_high_order_and_better() -> None:
    """ReLU ResNet → the same network of functions, by refinement of more → trained on."""
    images, labels = digits()
    seen, held = slice(0, 1200), slice(1200, None)
    net = image_classifier(resnet10, channels=1, classes=10, image_size=8, width=1 / 16)
    train(net, images[seen], labels[seen], epochs=2, rate=3e-3)
    before = accuracy(net, images[held], labels[held])
    assert 0.3 < before < 0.9
    high, report = convert(
        net, "continuous2d", n=2, segments=2, domain="linear", parameters="nodal", sharing="channel", weights="keep"
    )
    finer = refine(high, n=3, segments=4)
    assert report.equal
    with torch.no_grad():
        wanted = net.eval()(images[held])
        for each in (high, finer):
            torch.testing.assert_close(each.eval()(images[held]), wanted, rtol=1e-4, atol=1e-4)
    train(finer, images[seen], labels[seen], epochs=2, rate=3e-3)
    assert accuracy(finer, images[held], labels[held]) > before + 0.03


def test_a_run_begins_as_the_ordinary_one_of_its_seed(settings) -> None:
    nets = []
    for line in (("layer_type=standard",), KEEP):
        torch.manual_seed(3)
        nets.append(build(settings(*FAST, *line)).net)
    x = torch.randn(8, 1, 8, 8)
    torch.testing.assert_close(nets[1](x), nets[0](x), rtol=1e-5, atol=1e-5)


def test_a_crash_leaves_no_trace(settings, tmp_path: Path) -> None:
    """Within the first epoch, when the functions have been written anew for their intervals."""
    config = settings(*FAST, *KEEP, "scale=auto", "checkpoint.every_n_steps=1", "refine.epochs=[1]", "refine.n=[4]")
    run.train(config, tmp_path / "alone")
    with crash_at(Classification, "on_train_batch_end", 3):
        run.train(config, tmp_path / "crashed")
    run.train(config, tmp_path / "crashed")
    assert_equal(results(tmp_path / "alone"), results(tmp_path / "crashed"))
    net = load(tmp_path / "alone")
    assert all(getattr(module, "start", None) is None for module in net.modules())


def test_processes_write_functions_for_the_interval_of_the_first_one() -> None:
    ordinary, x = nn.Linear(3, 2), torch.randn(4, 3)
    layer, _ = convert(ordinary, "polynomial", n=3, scale="auto", domain="linear", weights="keep")
    theirs = torch.tensor([[0.0] * 3, [0.25] * 3])
    trainer: Any = SimpleNamespace(world_size=2, strategy=SimpleNamespace(broadcast=lambda _own: [theirs]))
    task: Any = SimpleNamespace(nets=[nn.Sequential(layer)], dtype=torch.float32)
    Align().on_train_batch_start(trainer, task, (x, None), 0)
    assert layer.interval.equal(theirs)
    torch.testing.assert_close(layer(x), ordinary(x), rtol=1e-5, atol=1e-5)
