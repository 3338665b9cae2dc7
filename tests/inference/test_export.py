"""What is written for other programs gives the network's logits."""

import importlib.util
import json
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

import high_order_nets
from high_order_nets import align, cli
from high_order_nets.basis import Basis
from high_order_nets.cli import manual
from high_order_nets.data.images.digits import load_digits
from high_order_nets.data.images.normalise import Normalisation
from high_order_nets.inference import export
from high_order_nets.inference.classifier import Classifier
from high_order_nets.layers import HighOrderConv2d, make_synapse
from high_order_nets.layers.layer_type import families
from high_order_nets.layers.product import fully_connected

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


@pytest.fixture
def of_every_layer_type() -> Classifier:
    """Give a classifier of digits in which each layer type follows the one before, as convolution where it can be."""
    convolutions = [HighOrderConv2d(1, 1, 3, name, n=2, segments=2, padding=1, scale=2.0) for name in Basis.registry]
    products = [
        fully_connected(2, 2, make_synapse(name, n=2, scale=2.0)) for name in families() if name not in Basis.registry
    ]
    aligned = [HighOrderConv2d(1, 1, 1, "polynomial", align=how) for how in ("layer", "channel", "batch")]
    align(nn.Sequential(*convolutions, *aligned), torch.rand(9, 1, 8, 8))
    net = nn.Sequential(*convolutions, *aligned, nn.Flatten(), nn.Linear(64, 2), *products, nn.Linear(2, 3))
    return Classifier(net, Normalisation((0.0,), (1 / 255,), 8), ("a", "b", "c"), {"config": {}, "metrics": {}}).eval()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # the exporter's own
@pytest.mark.parametrize(
    "name", [pytest.param("onnx", marks=NEEDS_ONNX), pytest.param("torch_export", marks=pytest.mark.slow)]
)
def test_every_layer_type_can_be_exported(
    name: str, of_every_layer_type: Classifier, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(export, "load", lambda *_: of_every_layer_type)
    done = export.export(tmp_path / "model.safetensors", name)
    assert done.difference <= 1e-4
    images = torch.rand(40, 1, 8, 8)
    with torch.no_grad():
        assert (export.FORMATS[name].read(done.path)(images) - of_every_layer_type(images)).abs().max() <= 1e-4


def test_what_a_format_cannot_hold_is_one_line(ckpt: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    def refuse(*_: object) -> None:
        try:
            raise ValueError("no function for this operation\nat length")
        except ValueError as error:
            raise RuntimeError("Failed\n- pages of advice") from error

    monkeypatch.setitem(export.FORMATS, "onnx", export.FORMATS["onnx"]._replace(write=refuse))
    assert cli.main(["export", f"ckpt={ckpt}", "format=onnx"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "format=onnx: cannot hold this network: no function for this operation; take torch_export or" in err
    assert not list(ckpt.parent.glob("*.onnx"))


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
