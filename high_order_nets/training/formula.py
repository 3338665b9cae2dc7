"""The formula of a trained regression: shrunk to what is needed, and read out."""

from pathlib import Path

import torch

from ..data.factory import located, make_data
from ..data.points.module import PointDataModule
from ..errors import UserError
from ..inference.load import load
from ..inference.regressor import Regressor
from ..inference.symbolic import Reading, read_network
from ..plots.draw import Settings, write
from ..plots.network import draw_network
from ..plots.style import published
from ..run.layout import PLOTS, USED, locate, run_of
from ..tasks.shrink import shrink


def read_formula(path: Path, out: Path | None = None) -> tuple[list[str], Path]:
    """Read a run of points out as formulas; give lines to show, and the picture of the network that was drawn.

    Neurons that the data can do without go first (`shrink`). The picture lies in the run's plots/, or in `out`.
    """
    path = locate(path, USED)
    found = load(path)
    if not isinstance(found, Regressor):
        raise UserError(f"formula: is of points, and ckpt={path} of {found.metadata['config']['dataset']['kind']}")
    config = found.metadata["config"]
    data = make_data(located(config))
    assert isinstance(data, PointDataModule)
    x, y = (part[data.train_indices] for part in (data.points.train_x, data.points.train_y))
    torch.manual_seed(config["seed"])
    small = shrink(found, x, y)
    reading = read_network(_named(small, found), x)
    words = [[each.kind or "constant" for row in layer for each in row] for layer in reading.formulas]
    settings = Settings.of(config)
    with published():
        figure = draw_network(reading.traced, found.inputs, found.outputs, settings.title, words)
        picture, _ = write(figure, out or run_of(path) / PLOTS, "network", settings)
    errors = (small(data.points.test_x) - data.points.test_y).detach()
    rest = f"root mean square error of the test, before it was put into formulas: {errors.square().mean().sqrt():.3g}"
    return [*_functions(reading), str(reading), rest], picture


def _named(small: Regressor, like: Regressor) -> Regressor:
    return Regressor(small.net, like.inputs, like.outputs, small.scaling, small.metadata).eval()


def _functions(reading: Reading) -> list[str]:
    return [
        f"layer {place}, {i} → {o}: {each}"
        for place, layer in enumerate(reading.formulas)
        for o, row in enumerate(layer)
        for i, each in enumerate(row)
    ]
