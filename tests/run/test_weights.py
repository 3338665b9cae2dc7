"""Checkpoints and weights as files: whole, plain, and of whom."""

import errno
import json
import pickle
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import nn

from high_order_nets.errors import UserError
from high_order_nets.models.resnet import resnet10_small
from high_order_nets.models.stages import Staged
from high_order_nets.run import checkpoints
from high_order_nets.run.checkpoints import load_state, read_checkpoint
from high_order_nets.training.checkpoint_io import WholeFiles
from high_order_nets.training.run import save_weights
from tests.run.folders import checkpoint


def test_checkpoints_are_written_whole_and_read_on_the_cpu(tmp_path: Path) -> None:
    files, path = WholeFiles(), tmp_path / "new" / "checkpoints" / "last.ckpt"
    for step in (1, 2):
        files.save_checkpoint({"state_dict": {}, "config": {}, "step": step}, path)
    assert sorted(file.name for file in path.parent.iterdir()) == ["last.ckpt", "previous.ckpt"]
    assert files.load_checkpoint(path)["step"] == 2
    assert read_checkpoint(path.with_name("previous.ckpt"))["step"] == 1
    for step in (3, 4):  # the best alone: what was kept is still the last but one
        files.save_checkpoint({"state_dict": {}, "config": {}, "step": step}, path.with_name("best.ckpt"))
    assert read_checkpoint(path.with_name("previous.ckpt"))["step"] == 1
    files.remove_checkpoint(path)
    files.remove_checkpoint(path)
    assert not path.exists()


class Hostile:
    """Runs code where pickle reads it."""

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


def test_a_checkpoint_runs_no_code(tmp_path: Path) -> None:
    hostile, path = Hostile(), tmp_path / "last.ckpt"
    hostile.mark = tmp_path / "it ran"
    torch.save({"state_dict": {}, "config": {}, "x": hostile}, path)
    with pytest.raises(UserError, match=r"not a readable checkpoint of plain data$"):
        read_checkpoint(path)
    with pytest.raises(pickle.UnpicklingError):
        WholeFiles().load_checkpoint(path)
    assert not hostile.mark.exists()


def test_a_checkpoint_of_any_device_is_read_to_the_cpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "x.ckpt", 1)
    asked = []
    load = torch.load
    monkeypatch.setattr(checkpoints.torch, "load", lambda *args, **how: (asked.append(how), load(*args, **how))[1])
    read_checkpoint(path)
    WholeFiles().load_checkpoint(path)
    assert asked == [{"map_location": "cpu", "weights_only": True}] * 2


@pytest.mark.parametrize("content", [[1], {"state_dict": {}}, {"config": {}}])
def test_other_files_of_torch_are_no_checkpoints(content: Any, tmp_path: Path) -> None:
    path = tmp_path / "x.ckpt"
    torch.save(content, path)
    message = f"ckpt={path}: not a checkpoint of high-order-nets (it has no state_dict and config)"
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        read_checkpoint(path)


def test_a_write_that_fails_on_the_disk_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")

    def save(*_: Any, caused: bool) -> None:
        try:
            if caused:
                raise full
        finally:
            raise RuntimeError("unexpected pos")

    for caused, kind in ((True, OSError), (False, RuntimeError)):
        monkeypatch.setattr(checkpoints.torch, "save", lambda *_, caused=caused: save(caused=caused))
        with pytest.raises(kind):
            WholeFiles().save_checkpoint({}, tmp_path / "x.ckpt")


def test_weights_of_another_model_are_named(tmp_path: Path) -> None:
    for state, reason in (
        ({"weight": torch.zeros(1, 1)}, r"Missing key\(s\) in state_dict: \"bias\"\."),
        ({"weight": torch.zeros(2, 1), "bias": torch.zeros(1)}, r"size mismatch for weight: .*"),
        (3, "Expected state_dict to be dict-like, got .*"),
    ):
        with pytest.raises(UserError, match=f"^ckpt=x: of another model than its config says: {reason}$"):
            load_state(nn.Linear(1, 1), state, Path("x"))  # type: ignore[arg-type]
    net = nn.Linear(1, 1)
    load_state(net, {"weight": torch.full((1, 1), 2.0), "bias": torch.full((1,), 3.0)}, Path("x"))
    assert float(net(torch.ones(1)).detach()) == 5.0


@pytest.mark.parametrize("stage", [None, 0, 4])
def test_the_weights_of_what_was_tested_are_written(stage: int | None, tmp_path: Path) -> None:
    net: Any = resnet10_small(num_classes=2)
    if stage is not None:
        net = Staged(net, torch.zeros(1, 3, 8, 8))
        net.select(stage)
    data = SimpleNamespace(state_dict=lambda: {"classes": ["a", "b"], "normalisation": {"offset": [1.0]}})
    experiment: Any = SimpleNamespace(task=SimpleNamespace(nets=[net]), data=data)
    save_weights(tmp_path, experiment, {"n": 3}, {"test_acc": 0.5})
    with safe_open(tmp_path / "model.safetensors", framework="pt") as file:
        metadata = {key: json.loads(value) for key, value in file.metadata().items()}
        keys = set(file.keys())
        weight = file.get_tensor("conv1.weight" if stage != 0 else "net.conv1.weight")
    assert metadata == {
        "config": {"n": 3},
        "classes": ["a", "b"],
        "normalisation": {"offset": [1.0]},
        "metrics": {"test_acc": 0.5},
    }
    assert any(key.startswith("read_outs.") for key in keys) == (stage == 0)
    assert weight.equal(getattr(net, "net", net).conv1.weight)
