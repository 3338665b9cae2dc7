"""What is written for other programs gives the network's logits."""

import importlib.util
import json
import shutil
from pathlib import Path

import pytest
import torch

import high_order_nets
from high_order_nets import cli
from high_order_nets.data.digits import load_digits
from high_order_nets.training import export, manual

FAST = ("model_name=simple", "dataset=digits", "max_epochs=1", "train_fraction=0.1")
NEEDS_ONNX = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("onnx", "onnxscript", "onnxruntime"))), reason="needs the extra export"
)
KINDS = {
    "polynomial": ("layer_type=polynomial", "dataset.normalize=standard"),
    "continuous": ("layer_type=continuous", "segments=2", "parameters=nodal", "domain=clamp"),
    "fourier": ("layer_type=fourier", "precision=64-true", "norm=max_abs"),
}
ONNX_KINDS = ["polynomial", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("continuous", "fourier"))]


@pytest.fixture
def ckpt(trained, finished: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Give a checkpoint, of one of KINDS or of any run."""
    if hasattr(request, "param"):
        trained(*FAST, *KINDS[request.param])
    else:
        shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run" / "checkpoints" / "last.ckpt"


@pytest.mark.parametrize("ckpt", KINDS, indirect=True)
@pytest.mark.parametrize("name", ["torch_export", "safetensors"])
def test_what_is_written_gives_the_same_logits(ckpt: Path, name: str, capsys) -> None:
    assert cli.main(["export", f"ckpt={ckpt}", f"format={name}"]) == 0
    assert "logits differ" in capsys.readouterr().out
    path = ckpt.with_suffix(export.FORMATS[name].suffix)
    assert sorted(file.name for file in ckpt.parent.iterdir()) == sorted(["last.ckpt", path.name])
    images = load_digits().test_images[:7] / 255
    run = export.FORMATS[name].read(path)
    assert (run(images) - high_order_nets.load(ckpt)(images)).abs().max() <= 1e-4


@NEEDS_ONNX
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # the exporter's own
@pytest.mark.parametrize("ckpt", ONNX_KINDS, indirect=True)
def test_onnx(ckpt: Path, tmp_path: Path) -> None:
    import onnx  # noqa: PLC0415 - an extra

    done = export.export(ckpt, "onnx", tmp_path / "mine.onnx")
    assert done.difference <= 1e-4
    images = load_digits().test_images[:7] / 255
    run = export.FORMATS["onnx"].read(done.path)
    assert (run(images) - high_order_nets.load(ckpt)(images)).abs().max() <= 1e-4
    metadata = {entry.key: json.loads(entry.value) for entry in onnx.load(done.path).metadata_props}
    assert metadata["classes"] == [str(digit) for digit in range(10)]
    assert metadata["normalisation"]["image_size"] == 8
    assert metadata["metrics"]["test_acc"] >= 0


def test_what_differs_is_not_kept(ckpt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    broken = export.FORMATS["safetensors"]._replace(read=lambda _path: lambda _images: torch.full((1, 10), torch.nan))
    monkeypatch.setitem(export.FORMATS, "safetensors", broken)
    out = tmp_path / "x.safetensors"
    out.write_text("what was there before")
    assert cli.main(["export", f"ckpt={ckpt}", "format=safetensors", f"out={out}"]) == 2
    assert "differ by nan" in capsys.readouterr().err
    assert out.read_text() == "what was there before"
    assert sorted(tmp_path.iterdir()) == [tmp_path / "run", out]


def test_without_the_extra_the_pip_command_is_named(ckpt: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr(export, "find_spec", lambda _name: None)
    assert cli.main(["export", f"ckpt={ckpt}", "format=onnx"]) == 2
    assert "pip install 'high-order-nets[export]'" in capsys.readouterr().err


def test_refusals(ckpt: Path, tmp_path: Path, capsys) -> None:
    run = tmp_path / "run"
    for argv, said in [
        (["format=onx", f"ckpt={ckpt}"], "nearest valid name: onnx"),
        ([f"ckpt={ckpt}"], "expected one of onnx, torch_export, safetensors"),
        (["format=safetensors", f"ckpt={run}"], "is the file to be exported"),
        (["format=safetensors", f"ckpt={ckpt}", f"out={run}"], "expected a file"),
        (["format=safetensors", f"ckpt={ckpt}", f"out={run}/nosuch/x"], "expected a file"),
        (["format=safetensors", f"ckpt={ckpt}", "out=/dev/null/x"], "expected a file"),
        (["format=safetensors"], "ckpt=PATH"),
    ]:
        capsys.readouterr()
        assert cli.main(["export", *argv]) == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1
        assert said in err


def test_the_help_knows_the_formats() -> None:
    assert tuple(export.FORMATS) == manual.FORMATS
