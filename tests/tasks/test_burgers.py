"""Burgers' equation as a task: its residuals by hand, and a run of it through the command line."""

import json
import math
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import high_order_nets
from high_order_nets import cli
from high_order_nets.data.points.burgers import exact
from high_order_nets.tasks.burgers import Burgers, Cell, flux, pointwise, upwind

EXAMPLES = Path(__file__).parents[2] / "examples"
PLACES = torch.tensor([[0.3, 0.5], [-0.2, 0.8], [0.7, 0.2]], dtype=torch.float64)
CELL = Cell(1e-4, 1e-4)


def rising(places: Tensor) -> Tensor:
    """x/(1 + t), a solution."""
    return places[:, 0] / (1 + places[:, 1])


def jump(places: Tensor) -> Tensor:
    """A shock between 1.5 and -0.5, of speed 1/2."""
    return torch.where(places[:, 0] < places[:, 1] / 2, 1.5, -0.5).to(places)


def test_a_solution_has_no_residual() -> None:
    zeros = torch.zeros(3, dtype=torch.float64)
    torch.testing.assert_close(upwind(rising, PLACES, CELL), zeros, atol=1e-3, rtol=0)
    torch.testing.assert_close(pointwise(rising, PLACES, CELL), zeros)
    other = pointwise(lambda p: p[:, 0] * p[:, 1], PLACES, CELL)  # x + x t²
    torch.testing.assert_close(other, PLACES[:, 0] * (1 + PLACES[:, 1] ** 2))


def test_the_flux_is_that_of_the_side_it_comes_from() -> None:
    left, right = torch.tensor([2.0, -2.0, 1.0, -1.0]), torch.tensor([1.0, -1.0, -1.0, 1.0])
    assert flux(left, right).tolist() == [2.0, 0.5, 1.0, 0.0]


def test_cells_around_a_shock_balance_if_it_is_where_it_must_be() -> None:
    cell = Cell(0.1, 0.1)
    x = torch.linspace(-0.5, 0.5, 2001, dtype=torch.float64)
    places = torch.stack([x, torch.full_like(x, 0.4)], 1)

    def faster(places: Tensor) -> Tensor:
        return jump(places * torch.tensor([1.0, 2.0], dtype=places.dtype))

    assert upwind(jump, places, cell).mean().abs() < 1e-2
    assert upwind(faster, places, cell).mean().abs() > 0.5
    assert pointwise(lambda p: faster(p) + 0 * p[:, 0], places, cell).abs().max() == 0  # which sees no jump


def task(**options: Any) -> Burgers:
    made = Burgers(
        net=nn.Linear(2, 1).double(),
        output_names=("u",),
        origins=(0.0, 0.5),
        units=(1.0, 0.5),
        means=(0.0,),
        deviations=(1.0,),
        max_epochs=4,
        make_optimizers=lambda _net, _steps: None,
        **options,
    )
    return made.double()


def test_values_inside_are_not_trained_on() -> None:
    scaled = torch.tensor([[0.2, 0.3], [0.2, -1.0], [1.0, 0.4]], dtype=torch.float64)
    y = torch.zeros(3, 1, dtype=torch.float64)
    one = task(edge_weight=2.0)
    losses = [one.outcome((scaled, y + torch.eye(3).double()[:, [place]]), "train").loss.item() for place in range(3)]
    assert losses[0] == one.outcome((scaled, y), "train").loss.item()
    assert len(set(losses)) == 3
    found = one.net(scaled).detach()
    edge = float((found - y)[1:].square().sum())
    places = torch.tensor([[0.2, 0.65]], dtype=torch.float64)
    origins, units = one._origins.double(), one._units.double()
    rest = upwind(lambda p: one.net((p - origins) / units)[:, 0], places, Cell(2 / 64, 1 / 64)).item() ** 2
    assert one.outcome((scaled, y), "train").loss.item() == pytest.approx((rest + 2 * edge) / 3)
    assert one.outcome((scaled, y), "test").loss.item() == pytest.approx(float(found.square().mean()))


def test_cells_shrink_in_equal_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    one, widths = task(cells=[10, 20]), []
    for epoch in range(4):
        monkeypatch.setattr(Burgers, "current_epoch", epoch)
        widths.append(one._cell())
    assert widths == [(0.2, 0.1), (0.2, 0.1), (0.1, 0.05), (0.1, 0.05)]


def test_curvature_is_forgotten_where_cells_shrink(monkeypatch: pytest.MonkeyPatch) -> None:
    one = task(cells=[10, 20])
    optimizer, key = torch.optim.LBFGS(one.parameters()), torch.zeros(1)
    monkeypatch.setattr(one, "optimizers", lambda **_: optimizer)
    kept = []
    for epoch, batch in ((0, 0), (1, 0), (2, 1), (2, 0)):
        optimizer.state[key] = {"d": 1}
        monkeypatch.setattr(Burgers, "current_epoch", epoch)
        one.on_train_batch_start((torch.zeros(1), torch.zeros(1)), batch)
        kept.append(key in optimizer.state)
    assert kept == [True, True, True, False]


def test_it_is_solved_resumed_tested_and_loaded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "experiment=burgers", "trainer=cpu", "plots.enabled=false", "dataset.points=300", "max_epochs=3"]
    words += ["dataset.edge_points=40", "refine.epochs=[1]", "refine.segments=[4]", "task.cells=[8,16,32]"]
    assert cli.main([*words, f"run_dir={tmp_path}"]) == 0
    figures = json.loads((tmp_path / "metrics.json").read_text())
    assert figures["l1_error"] == figures["test_l1_error"] < 0.3
    assert cli.main(["test", f"ckpt={tmp_path}"]) == 0
    assert "mean absolute error" in capsys.readouterr().out
    places = torch.tensor([[0.5, 0.2], [-0.7, 0.9]], dtype=torch.float64)
    with torch.inference_mode():
        found = high_order_nets.load(tmp_path)(places)[:, 0]
    assert float((found - exact(*places.T)).abs().max()) < 0.6


def test_the_script_is_tried_by_debug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = EXAMPLES / "burgers.py"
    words = ["trainer=debug", "task.residual=pointwise", f"run_dir={tmp_path}"]
    monkeypatch.setattr(sys, "argv", [str(script), *words])
    with pytest.raises(SystemExit) as left:
        runpy.run_path(str(script), run_name="__main__")
    assert left.value.code == 0
    assert (tmp_path / "plots" / "shock.png").is_file()
    assert math.isfinite(json.loads((tmp_path / "metrics.json").read_text())["l1_error"])


def test_bad_cells_are_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.main(["train", "experiment=burgers", "task.cells=[]", f"run_dir={tmp_path}"]) == 2
    assert "task.cells=[]: expected whole numbers of at least 1" in capsys.readouterr().err
