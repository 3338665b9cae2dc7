"""The figures of a regression: in the units of the data, of all outputs and of each."""

import pytest
import torch
from torch import nn

from high_order_nets.metrics import label, metric
from high_order_nets.tasks.regression import LOSSES, Regression

DEVIATIONS = (2.0, 10.0)


def task(**options) -> Regression:
    return Regression(nn.Identity(), ("a", "b"), DEVIATIONS, lambda _net, _steps: None, **options)


def test_figures_are_those_of_the_formulas() -> None:
    found = task(precision="64-true").make_metrics("test")
    generator = torch.Generator().manual_seed(0)
    y, noise = (torch.randn(50, 2, generator=generator, dtype=torch.float64) for _ in range(2))
    guess = y + 0.1 * noise
    for part in ((guess[:20], y[:20]), (guess[20:], y[20:])):
        for each in found.values():
            each.update(*part)
    got = {name: float(each.compute()) for name, each in found.items()}
    errors = (guess - y) * torch.tensor(DEVIATIONS, dtype=torch.float64)
    squares = errors.square().mean(0)
    r2 = 1 - (guess - y).square().sum(0) / (y - y.mean(0)).square().sum(0)
    expected = {"rmse": squares.mean().sqrt(), "r2": r2.mean(), "max_error": errors.abs().max()}
    expected |= {"rmse_a": squares[0].sqrt(), "rmse_b": squares[1].sqrt(), "r2_a": r2[0], "r2_b": r2[1]}
    assert got == {name: pytest.approx(float(value)) for name, value in expected.items()}


def test_an_output_that_never_changes_has_no_r2() -> None:
    r2 = task().make_metrics("test")["r2_a"]
    r2.update(torch.rand(9, 2), torch.full((9, 2), 3.0))
    assert r2.compute().isnan()


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_is_of_the_scaled_outputs(loss: str) -> None:
    x, y = torch.tensor([[0.0, 0.0], [0.0, 4.0]]), torch.zeros(2, 2)
    outcome = task(loss=loss).outcome((x, y), "train")
    assert float(outcome.loss) == {"mse": 4.0, "l1": 1.0, "huber": 3.5 / 4}[loss]
    assert outcome.items == 2


def test_figures_of_one_output_are_called_by_its_name() -> None:
    assert label("test_rmse_price") == "test root mean square error, price"
    assert metric("val_r2_a_b").higher_is_better
    assert label("test_r2") == "test R²"
    assert not metric("test_acc5").name.startswith("acc_")
