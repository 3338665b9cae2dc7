"""Runs that crash at a chosen point, and what must not depend on it."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from high_order_nets.run.checkpoints import read_checkpoint

TIMES = ("date", "seconds", "total_seconds", "seconds_per_epoch", "images_per_second")
"""What of metrics.json differs between two runs."""


class Crash(BaseException):
    """Stands for a death of the process: nothing catches it, and nothing is saved on its account."""


@contextmanager
def crash_at(target: Any, method: str, call: int) -> Iterator[None]:
    """Crash when the method of the class or module is called for the call-th time (from 1)."""
    original: Callable = getattr(target, method)
    calls = 0

    @wraps(original)
    def crashing(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            raise Crash
        return original(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(target, method, crashing)
        with pytest.raises(Crash):
            yield


def results(folder: Path) -> dict[str, Any]:
    """Read all that a run leaves but its times: figures, tested weights, all of the last checkpoint and of the best."""
    metrics = json.loads((folder / "metrics.json").read_text())
    found = {"metrics": {key: value for key, value in metrics.items() if key not in TIMES}}
    found["weights"] = load_file(folder / "model.safetensors")
    for path in sorted((folder / "checkpoints").glob("*.ckpt")):
        if path.name != "previous.ckpt":
            found[path.name] = _timeless(read_checkpoint(path))
    return found


def _timeless(checkpoint: dict[str, Any]) -> dict[str, Any]:
    checkpoint["callbacks"].pop("Clock")
    checkpoint["figures"] = {key: value for key, value in checkpoint["figures"].items() if key not in TIMES}
    del checkpoint["loops"]  # Lightning's counters also count what it resumed; `progress` has what matters
    return checkpoint


def assert_equal(left: Any, right: Any, path: str = "") -> None:
    """Compare two nests of containers bit by bit."""
    assert type(left) is type(right), path
    if isinstance(left, dict):
        assert left.keys() == right.keys(), path
        for key in left:
            assert_equal(left[key], right[key], f"{path}/{key}")
    elif isinstance(left, list | tuple):
        assert len(left) == len(right), path
        for number, (a, b) in enumerate(zip(left, right, strict=True)):
            assert_equal(a, b, f"{path}/{number}")
    elif isinstance(left, torch.Tensor):
        assert left.dtype == right.dtype, path
        assert left.equal(right), path
    else:
        assert left == right, path
