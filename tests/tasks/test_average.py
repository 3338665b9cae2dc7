"""Averaged weights: their formula, what is averaged, and that they are evaluated beside the others."""

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from high_order_nets import refine
from high_order_nets.layers import HighOrderLinear
from high_order_nets.tasks import Classification
from high_order_nets.tasks.average import Average
from tests.tasks.test_base import BATCH, fit, net, sgd


def by_hand(values: list[np.ndarray], decay: float) -> np.ndarray:
    """Average in numpy, the first value being where the average starts."""
    average = values[0].copy()
    for step, value in enumerate(values[1:], 1):
        factor = min(decay, (1 + step) / (10 + step))
        average = factor * average + (1 - factor) * value
    return average


@pytest.mark.parametrize("decay", [0.3, 0.999])
def test_the_average_is_that_of_its_formula(decay: float) -> None:
    layer = nn.BatchNorm1d(4).double()
    average, values = Average(layer, decay), [layer.running_mean.numpy().copy()]  # type: ignore[union-attr]
    weights = [layer.weight.detach().numpy().copy()]
    for _ in range(12):
        layer(torch.randn(8, 4, dtype=torch.float64))
        layer.weight.data.normal_()
        average.update(layer)
        values.append(layer.running_mean.numpy().copy())  # type: ignore[union-attr]
        weights.append(layer.weight.detach().numpy().copy())
    np.testing.assert_allclose(average.net.running_mean, by_hand(values, decay), rtol=1e-12)  # type: ignore[arg-type]
    np.testing.assert_allclose(average.net.weight, by_hand(weights, decay), rtol=1e-12)  # type: ignore[arg-type]
    assert average.net.num_batches_tracked == 12
    assert not average.train().net.training


def test_the_step_is_in_the_state() -> None:
    layers = [nn.Linear(2, 2) for _ in range(5)]
    whole = Average(layers[0], 0.5)
    for each in layers[1:3]:
        whole.update(each)
    resumed = Average(layers[4], 0.5)
    resumed.load_state_dict(deepcopy(whole.state_dict()))
    for average in (whole, resumed):
        average.update(layers[3])
    assert whole.net.weight.equal(resumed.net.weight)  # type: ignore[operator,arg-type]


def test_the_average_of_refined_weights_is_the_refined_average() -> None:
    coarse = [HighOrderLinear(2, 3, "continuous", n=2, segments=2, bias=True).double() for _ in range(4)]
    average, finer = Average(coarse[0], 0.9), Average(refine(coarse[0], n=4), 0.9)
    for each in coarse[1:]:
        average.update(each)
        finer.update(refine(each, n=4))
    torch.testing.assert_close(refine(average.net, n=4).state_dict(), finer.net.state_dict())


def test_both_weights_are_validated_and_the_trained_ones_are_left_alone() -> None:
    task, plain = (Classification(net(), 2, sgd(), ema_decay=decay) for decay in (0.9, None))
    plain.net.load_state_dict(task.net.state_dict())
    figures = [fit(each).callback_metrics for each in (task, plain)]
    assert task.net[1].weight.equal(plain.net[1].weight)  # type: ignore[index]
    assert figures[0]["val_loss"] == figures[1]["val_loss"]
    averaged: Any = task.averaged
    with torch.no_grad():
        expected = nn.functional.cross_entropy(averaged.net(BATCH[0]), BATCH[1])
    assert figures[0]["val_ema_loss"] == pytest.approx(float(expected))
    assert figures[0]["val_ema_loss"] != figures[0]["val_loss"]
    assert {name for name in figures[0] if "ema" in name} == {f"val_ema_{name}" for name in ("loss", "acc", "acc5")}
