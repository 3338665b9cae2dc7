"""Checkpoints from a stranger are data: none of them runs code, imports a module or writes a file."""

import io
import json
import os
import pickle
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import high_order_nets
from high_order_nets.errors import UserError
from high_order_nets.training import run


class Touch:
    """What pickle would call on reading: a file is written."""

    def __init__(self, path: Path, call: Callable[..., Any] = Path.touch):
        self.call, self.path = call, path

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call, (f"touch {self.path}" if self.call is os.system else self.path,)


class Executed:
    """What pickle would execute on reading."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (f"open({str(self.path)!r}, 'w').close()",)


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "marker"


@pytest.fixture
def good(finished: Path) -> dict[str, Any]:
    """Give what a checkpoint of ours holds."""
    return torch.load(finished / "checkpoints" / "last.ckpt", weights_only=True)


def changed(good: dict[str, Any], **config: Any) -> dict[str, Any]:
    return good | {"config": good["config"] | config}


def contents(good: dict[str, Any], marker: Path) -> dict[str, Any]:
    """What is in the checkpoints that torch writes."""
    shell = {"_target_": "os.system", "command": f"touch {marker}"}
    from_the_net = {"_target_": "torchvision.models.resnet.load_state_dict_from_url"}
    return {
        "config that touches": good | {"config": Touch(marker)},
        "config that calls the shell": good | {"config": Touch(marker, os.system)},
        "state that executes": good | {"state_dict": Executed(marker)},
        "hyper-parameters": good | {"hyper_parameters": Touch(marker)},
        "callbacks": good | {"callbacks": {"x": Executed(marker)}},
        "optimizer": good | {"optimizer_states": [Executed(marker)]},
        "data module": good | {"ImageDataModule": Touch(marker)},
        "a whole module": torch.nn.Sequential(torch.nn.Linear(1, 1)),
        "foreign basis": changed(good, layer_type=shell),
        "foreign model": changed(good, model_name={"_target_": "hostile_module.net"}),
        "weights from the net": changed(good, model_name=from_the_net),
        "not a model": changed(good, model_name={"_target_": "high_order_nets.models.vision.conv_like.exec"}),
        "not a basis": changed(good, layer_type={"_target_": "high_order_nets.basis.base.lru_cache"}),
        "other weights": good | {"state_dict": {"net.x": torch.zeros(1), 3: "x"}},
    }


def write_legacy(marker: Path, path: Path) -> None:
    torch.save({"config": Executed(marker)}, path, _use_new_zipfile_serialization=False)


def write_pickle(marker: Path, path: Path) -> None:
    path.write_bytes(pickle.dumps(Executed(marker)))


def write_tar(marker: Path, path: Path) -> None:
    """Write torch's oldest format, whose parts are pickles."""
    with tarfile.open(path, "w:") as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            payload = pickle.dumps(Executed(marker))
            member = tarfile.TarInfo(name)
            member.size = len(payload)
            archive.addfile(member, io.BytesIO(payload))


def write_zip(marker: Path, path: Path) -> None:
    """Write a zip as torch's, with a pickle of its own and a name that leads out of the folder."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", pickle.dumps(Executed(marker)))
        archive.writestr("x/version", "3")
        archive.writestr(f"../{marker.name}", "written by unpacking")


FILES = {"legacy format": write_legacy, "bare pickle": write_pickle, "tar": write_tar, "zip that leads out": write_zip}
CASES = (*contents({"config": {}}, Path()), *FILES)


@pytest.mark.filterwarnings("default")  # torch's of old formats
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("use", [high_order_nets.load, run.test], ids=["load", "test"])
def test_hostile_checkpoints(
    case: str, use: Callable[[Path], Any], good: dict[str, Any], marker: Path, tmp_path: Path, monkeypatch
) -> None:
    (tmp_path / "hostile_module.py").write_text(f"open({str(marker)!r}, 'w').close()\n")
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "folder" / "x.ckpt"
    path.parent.mkdir()
    if case in FILES:
        FILES[case](marker, path)
    else:
        torch.save(contents(good, marker)[case], path)
    with pytest.raises(UserError, match=r"x\.ckpt|foreign|_target_"):
        use(path)
    assert not marker.exists()
    assert "hostile_module" not in sys.modules
    assert [file.name for file in path.parent.iterdir()] == ["x.ckpt"]


def test_the_payloads_would_work(marker: Path, tmp_path: Path) -> None:
    for hostile in (Touch(marker), Touch(marker, os.system), Executed(marker)):
        torch.save({"config": hostile}, tmp_path / "x.ckpt")
        torch.load(tmp_path / "x.ckpt", weights_only=False)
        assert marker.exists()
        marker.unlink()


def pickled_as_safetensors(path: Path, marker: Path, metadata: dict[str, str]) -> None:
    path.write_bytes(pickle.dumps(Executed(marker)))


def huge_header(path: Path, marker: Path, metadata: dict[str, str]) -> None:
    path.write_bytes(struct.pack("<Q", 1 << 62) + b"{}")


def overlapping(path: Path, marker: Path, metadata: dict[str, str]) -> None:
    header = json.dumps({"fc.weight": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 4]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 4)


def foreign_target(path: Path, marker: Path, metadata: dict[str, str]) -> None:
    config = json.loads(metadata["config"]) | {"model_name": {"_target_": "os.system", "command": f"touch {marker}"}}
    save_file({"x": torch.zeros(1)}, path, metadata | {"config": json.dumps(config)})


def no_weights(path: Path, marker: Path, metadata: dict[str, str]) -> None:
    save_file({"x": torch.zeros(1)}, path, metadata)


@pytest.mark.parametrize("write", [pickled_as_safetensors, huge_header, overlapping, foreign_target, no_weights])
def test_hostile_weights(write: Callable[..., None], finished: Path, marker: Path, tmp_path: Path) -> None:
    metadata = {key: json.dumps(value) for key, value in high_order_nets.load(finished).metadata.items()}
    write(tmp_path / "x.safetensors", marker, metadata)
    with pytest.raises(UserError, match=r"x\.safetensors"):
        high_order_nets.load(tmp_path / "x.safetensors")
    assert not marker.exists()


def test_a_checkpoint_starts_no_processes_and_compiles_nothing(good: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "x.ckpt"
    torch.save(changed(good, num_workers=1000, compile=True), path)
    started = []
    sys.addaudithook(lambda event, args: started.append(args) if event in PROCESSES else None)
    run.test(path)
    assert not started


PROCESSES = ("subprocess.Popen", "os.system", "os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.spawn")
AUDIT = """
import importlib, pkgutil, sys
opened = []
def watch(event, args):
    if event.startswith(("socket.", "urllib.", "http.", "ftplib.", "webbrowser.")) or event in {processes!r}:
        opened.append((event, args))
{before}
sys.addaudithook(watch)
import high_order_nets
for module in pkgutil.walk_packages(high_order_nets.__path__, "high_order_nets."):
    if module.name != "high_order_nets.__main__":
        importlib.import_module(module.name)
sys.exit(repr(opened) if opened else 0)
"""


def test_importing_opens_no_socket_and_starts_no_process() -> None:
    # torch 2.15 itself asks `ldconfig -p` for CUDA's libraries when it is imported: its own import is not watched.
    code = AUDIT.format(processes=PROCESSES, before="import torch")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
