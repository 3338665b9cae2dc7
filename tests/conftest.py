"""Fixtures that all tests share."""

import os

import pytest
import torch

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
