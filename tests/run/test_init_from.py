"""Files that weights may be in, and files that hold something else, or code."""

import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from high_order_nets.errors import UserError
from high_order_nets.files import digest
from high_order_nets.run.weights import read_weights

STATE = {"weight": torch.tensor([[1.0, 2.0]]), "bias": torch.tensor([3.0])}


class Touch:
    """What pickle would call on reading: a file is written."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize(
    "found",
    [
        STATE,
        {"state_dict": STATE, "epoch": 3},
        {"model": STATE, "optimizer": {}},
        STATE | {"epoch": 3, 4: STATE["bias"]},
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_a_state_dict_is_found_alone_and_among_other_things(found: Any, zipped: bool, tmp_path: Path) -> None:
    torch.save(found, path := tmp_path / "x.pth", _use_new_zipfile_serialization=zipped)
    weights = read_weights(path)
    assert weights.state.keys() == STATE.keys()
    assert all(weights.state[name].equal(STATE[name]) for name in STATE)
    assert weights.digest == digest(path)


def test_safetensors_of_another_program(tmp_path: Path) -> None:
    save_file(STATE, path := tmp_path / "x.safetensors", {"format": "pt"})
    assert read_weights(path).state.keys() == STATE.keys()


@pytest.mark.parametrize("name", ["", "model.safetensors", "checkpoints", "checkpoints/last.ckpt"])
def test_a_run_and_its_files_hold_the_same_names(name: str, finished: Path) -> None:
    weights = read_weights(finished / name)
    assert weights.state["fc.weight"].shape == (10, 64)
    assert weights.scaling is not None
    assert weights.scaling["image_size"] == 8


def test_of_a_network_in_stages_the_network_itself(tmp_path: Path) -> None:
    state = {"net.net.fc.weight": STATE["weight"], "net.read_outs.0.weight": STATE["bias"]}
    torch.save({"state_dict": state, "config": {}}, path := tmp_path / "x.ckpt")
    assert read_weights(path).state.keys() == {"fc.weight"}


def write_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as parts:
        parts.writestr("x", "y")


HOSTILE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "pickle.pth": (
        lambda path: path.write_bytes(pickle.dumps({"a": Touch(path.with_name("marker"))})),
        "not a file of",
    ),
    "code.pth": (lambda path: torch.save({"a": Touch(path.with_name("marker"))}, path), "holds code or objects"),
    "module.pth": (lambda path: torch.save(nn.Linear(2, 2), path), "holds code or objects .*save state_dict"),
    "list.pth": (lambda path: torch.save([1, 2], path), "holds no weights: expected a state dict"),
    "none.pth": (lambda path: torch.save({"epoch": 3}, path), "holds no weights"),
    "text.pth": (lambda path: path.write_text("hello"), "not a file of weights: neither"),
    "empty.pth": (lambda path: path.write_bytes(b""), "not a file of weights: neither"),
    "zip.pth": (write_zip, "not a file of weights: neither"),
    "text.safetensors": (lambda path: path.write_text("hello"), "not a file of weights \\(.*header too small\\)"),
    "nothing.safetensors": (lambda path: save_file({}, path), "holds no weights"),
    "folder": (Path.mkdir, "no checkpoint in it; expected the folder of a run"),
    "missing.pth": (lambda _: None, "no such file; expected a run's folder, a checkpoint or a file of weights"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_holds_no_weights_is_one_line_and_no_code_of_it_runs(name: str, tmp_path: Path) -> None:
    write, message = HOSTILE[name]
    write(path := tmp_path / name)
    with pytest.raises(UserError, match=f"^init_from={path}: {message}") as refused:
        read_weights(path)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "marker").exists()


def test_a_damaged_file_is_none(tmp_path: Path) -> None:
    torch.save({"weight": torch.ones(1000)}, path := tmp_path / "x.pth")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"not a file of weights .*is damaged"):
        read_weights(path)
