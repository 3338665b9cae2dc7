"""The figures draw what they are given, at every size, without a warning and within the paper."""

import math
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from torch import nn

from high_order_nets.layers import HighOrderConv2d, make_synapse
from high_order_nets.plots.curves import draw_curves
from high_order_nets.plots.observe import Sample, Watched
from high_order_nets.plots.ranges import draw_ranges
from high_order_nets.plots.style import pixels, published, save, shorten
from high_order_nets.plots.synapses import draw_synapses

KINDS = [
    {"layer_type": "polynomial", "n": 3, "domain": "tanh"},
    {"layer_type": "continuous", "n": 3, "segments": 4, "domain": "clamp"},
    {"layer_type": "discontinuous", "n": 1, "segments": 2, "parameters": "spectral"},
    {"layer_type": "fourier", "n": 5, "domain": "mirror", "periodicity": 1.0},
    {"layer_type": "crelu"},
    {},
]


def watched(options: dict, inputs: torch.Tensor | None = None) -> Watched:
    layer = HighOrderConv2d(3, 4, 3, make_synapse(**options)) if options else nn.Conv2d(3, 4, 3)
    seen = Sample.of(torch.randn(999) if inputs is None else inputs)
    return Watched(layer, seen, Sample.of(torch.randn(999)))


def within(figure: Figure) -> bool:
    """Say whether all that is drawn lies on the paper."""
    drawn, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    return drawn.x0 >= 0 and drawn.y0 >= 0 and drawn.x1 <= width and drawn.y1 <= height


@pytest.mark.parametrize("options", KINDS, ids=lambda options: options.get("layer_type", "standard"))
def test_every_layer_type_is_drawn(options: dict) -> None:
    layers = {"a.layer": watched(options)}
    with published():
        for draw in (draw_synapses, draw_ranges):
            figure = draw(layers, "title")
            assert pixels(figure, 72).std() > 0
            assert within(figure)


def test_the_horizontal_axis_says_where_functions_get_their_input_aligned() -> None:
    plain, aligned = watched(KINDS[0]), watched(KINDS[0] | {"align": "batch"})
    labels = [draw_synapses({"a": one}, "title").axes[1].get_xlabel() for one in (plain, aligned)]
    assert labels == ["input x of the layer", "aligned input x of the layer"]


@pytest.mark.parametrize("count", [1, 12, pytest.param(60, marks=pytest.mark.slow)])
def test_any_number_of_layers_fits(count: int) -> None:
    layers = {f"layer{index}.0.downsample.0": watched(KINDS[0]) for index in range(count)}
    with published():
        for draw in (draw_synapses, draw_ranges):
            figure = draw(layers, "title")
            pixels(figure, 72)
            assert within(figure)


@pytest.mark.parametrize(
    "inputs",
    [
        torch.zeros(50),
        torch.full((3,), torch.nan),
        torch.cat([torch.zeros(500), torch.rand(500)]),  # what ReLU makes
        torch.randn(500) * 1e9,
        torch.tensor([0.5]),
    ],
    ids=["constant", "nothing", "spike", "huge", "one"],
)
@pytest.mark.parametrize("options", [KINDS[0], {}], ids=["polynomial", "standard"])
def test_strange_inputs_are_drawn(inputs: torch.Tensor, options: dict) -> None:
    layers = {"a": watched(options, inputs)}
    with published():
        pixels(draw_synapses(layers, "title"), 50)
        pixels(draw_ranges(layers, "title"), 50)


def test_lines_break_where_functions_jump() -> None:
    options = {"layer_type": "discontinuous", "n": 2, "segments": 3, "init": "uniform"}
    with published():
        axes = draw_synapses({"a": watched(options)}, "title").axes[0]
    (lines,) = (found for found in axes.collections if isinstance(found, LineCollection))
    for path in lines.get_paths():
        assert np.isnan(path.vertices).any(1).sum() == 2


@pytest.mark.parametrize("epochs", [1, 2, 200])
def test_curves_of_any_length(epochs: int) -> None:
    history = [{"epoch": e, "train_loss": 100 / e, "train_acc": 0.5, "val_acc": e / 200} for e in range(1, epochs + 1)]
    history[0]["train_loss"] = math.inf
    with published():
        figure = draw_curves(history, "title")
        pixels(figure, 72)
        assert within(figure)
    assert figure.axes[0].get_yscale() == ("log" if epochs == 200 else "linear")
    said = [text.get_text() for text in figure.legends[0].get_texts()]
    assert said == ["training (running mean)", "validation", f"best: {epochs / 2:.1f} %, epoch {epochs}"]


def test_the_users_own_settings_come_back() -> None:
    before = matplotlib.rcParams["font.size"]
    with published():
        assert matplotlib.rcParams["font.size"] != before
    assert matplotlib.rcParams["font.size"] == before


def test_files_are_png_and_whole(tmp_path: Path) -> None:
    image = np.zeros((4, 5, 3), np.uint8)
    save(Figure(), image, tmp_path / "plots" / "x.png", "png")
    assert [file.name for file in (tmp_path / "plots").iterdir()] == ["x.png"]
    assert (matplotlib.image.imread(tmp_path / "plots" / "x.png")[..., :3] == 0).all()


def test_names_are_cut_in_the_middle() -> None:
    assert shorten("layer1.0.conv1", 14) == "layer1.0.conv1"
    assert shorten("encoder.layers.encoder_layer_11.mlp.0", 12) == "encod….mlp.0"
