"""A picture as a function, through the command line; the PSNR by hand."""

import json
import math
import runpy
import sys
from pathlib import Path

import pytest
import torch

import high_order_nets
from high_order_nets import cli
from high_order_nets.data.points.pictures import picture_points
from high_order_nets.metrics import metric
from high_order_nets.tasks.implicit_image import Psnr

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_psnr_is_of_clipped_values_in_the_units_of_the_picture() -> None:
    psnr = Psnr(torch.tensor([0.5, 0.5]), torch.tensor([0.1, 0.2]))
    psnr.update(torch.tensor([[1.0, 0.0]]), torch.tensor([[-1.0, 0.0]]))  # 0.6 for 0.4
    psnr.update(torch.tensor([[0.0, 9.0]]), torch.tensor([[0.0, 2.0]]))  # 2.3, clipped to 1, for 0.9
    assert float(psnr.compute()) == pytest.approx(-10 * math.log10((0.2**2 + 0.1**2) / 4), rel=1e-5)
    assert metric("test_psnr").higher_is_better


def test_a_picture_is_fitted_resumed_tested_and_loaded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "experiment=implicit_image", "trainer=cpu", "plots.enabled=false", "scheduler=none"]
    words += [
        "dataset.size=16",
        "refine.epochs=[1]",
        "refine.segments=[16]",
        "model_name.hidden_width=3",
        "model_name.coordinates.waves=6",
    ]
    runs = tmp_path / "once", tmp_path / "twice"
    for run, epochs in ((runs[0], (3,)), (runs[1], (2, 3))):
        for count in epochs:
            assert cli.main([*words, f"max_epochs={count}", f"run_dir={run}"]) == 0
    once, twice = (json.loads((run / "metrics.json").read_text()) for run in runs)
    assert once["psnr"] == once["test_psnr"] == twice["psnr"]
    assert cli.main(["test", f"ckpt={runs[0]}"]) == 0
    assert "peak signal to noise, dB" in capsys.readouterr().out
    points = picture_points("china", None, 16, 3)
    with torch.inference_mode():
        found = high_order_nets.load(runs[0])(points.test_x).clamp(0, 1)
    error = float((found - points.test_y).square().mean())
    assert -10 * math.log10(error) == pytest.approx(once["psnr"], abs=1e-3)


def test_the_script_is_tried_by_debug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["trainer=debug", "dataset.size=16", "model_name=siren", "layer_type=standard", "refine.epochs=[]"]
    script = EXAMPLES / "implicit_image.py"
    monkeypatch.setattr(sys, "argv", [str(script), *words, "refine.segments=[]", f"run_dir={tmp_path}"])
    with pytest.raises(SystemExit) as left:
        runpy.run_path(str(script), run_name="__main__")
    assert left.value.code == 0
    assert (tmp_path / "plots" / "picture.png").is_file()


def test_bad_input_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for word, message in (
        ("dataset.path=none.png", "none.png: not an image that can be read"),
        ("dataset.channels=2", "dataset.channels=2: expected 1 or 3"),
        ("model_name.coordinates.waves=3", "coordinates.waves=3: features=3: expected an even number"),
    ):
        line = ["train", "experiment=implicit_image", "trainer=debug", word, f"run_dir={tmp_path}"]
        assert cli.main(line) == 2
        assert message in capsys.readouterr().err
