"""Runs on tiny data, through the same config that the command line makes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from high_order_nets.config import compose as config
from high_order_nets.config.overrides import parse
from high_order_nets.training import run


def write_images(root: Path, name: str, classes: int, channels: int, size: int, count: int = 96) -> None:
    """Write a prepared data set of noise whose brightness tells the class."""
    labels = torch.arange(count + 32) % classes
    noise = torch.randint(0, 100, (count + 32, channels, size, size))
    images = (noise + (labels * 150 // classes)[:, None, None, None]).to(torch.uint8)
    tensors = {
        "train_images": images[:count].clone(),
        "train_labels": labels[:count].clone(),
        "test_images": images[count:].clone(),
        "test_labels": labels[count:].clone(),
    }
    metadata = {"dataset": name, "classes": json.dumps([str(label) for label in range(classes)])}
    save_file(tensors, root / f"{name}.safetensors", metadata)


@pytest.fixture(scope="session")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    write_images(root, "cifar100", 100, 3, 32)
    write_images(root, "cifar10", 10, 3, 32)
    write_images(root, "mnist", 10, 1, 28)
    return root


@pytest.fixture
def settings(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Compose a config from overrides, on the tiny data."""
    monkeypatch.setenv("HIGH_ORDER_NETS_DATA", str(data_root))

    def compose(*overrides: str) -> dict[str, Any]:
        # Drawing takes longer than most of these runs.
        (job,) = config.plan(parse(["trainer=cpu", "plots.enabled=false", *overrides])).jobs
        return job | {"command": "test"}

    return compose


@pytest.fixture
def trained(settings: Callable[..., dict[str, Any]], tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Train with overrides in tmp_path/run and give its metrics."""

    def train(*overrides: str) -> dict[str, Any]:
        accuracy = run.train(settings(*overrides), tmp_path / "run")
        metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
        assert metrics["test_acc"] == accuracy
        return metrics

    return train


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a short finished run on the digits; not to be changed."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    line = ["trainer=cpu", "model_name=simple", "dataset=digits", "max_epochs=1", "train_fraction=0.3"]
    (job,) = config.plan(parse(line)).jobs
    run.train(job | {"command": "test"}, folder)
    return folder
