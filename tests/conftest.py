"""Fixtures that all tests share."""

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.experiments import composed, train_in, write_images
from tests.runner import Runner

# The machine is shared: two threads on small tensors would wait for each other more than they work.
torch.set_num_threads(1)

# Tests that run side by side get it from pytest-xdist; what is captured is a pipe, and has no edge.
os.environ.pop("COLUMNS", None)

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> str:
    """Every device there is on this machine."""
    return request.param


@pytest.fixture(autouse=True)
def fixed_seed() -> None:
    torch.manual_seed(0)


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
        return composed("trainer=cpu", "plots.enabled=false", *overrides)

    return compose


@pytest.fixture
def trained(settings: Callable[..., dict[str, Any]], tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Train with overrides in tmp_path/run and give its metrics."""

    def train(*overrides: str) -> dict[str, Any]:
        accuracy = train_in(settings(*overrides), tmp_path / "run")
        metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
        assert metrics["test_acc"] == accuracy
        return metrics

    return train


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a short finished run on the digits; not to be changed."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    line = ["trainer=cpu", "model_name=simple", "dataset=digits", "max_epochs=1", "train_fraction=0.3"]
    train_in(composed(*line), folder)
    return folder


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> Iterator[Runner]:
    fake = Runner()
    monkeypatch.setitem(sys.modules, fake.__name__, fake)
    yield fake
    for handler in logging.getLogger().handlers[:]:
        if isinstance(handler, logging.FileHandler):
            logging.getLogger().removeHandler(handler)
            handler.close()
