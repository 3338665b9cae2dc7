"""Functions that stay as they start for a part of training, and grow meanwhile."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from high_order_nets.conversion.growth import refined_to
from high_order_nets.layers import HighOrderLayer
from high_order_nets.run.checkpoints import read_checkpoint
from high_order_nets.tasks import Classification
from high_order_nets.tasks.experiment import build
from high_order_nets.training import run
from tests.training.crashes import crash_at

LINE = (
    "model_name=simple",
    "dataset=digits",
    "train_fraction=0.1",
    "batch_size=64",
    "max_epochs=4",
)  # 2 steps an epoch
FORM = ("layer_type=continuous2d", "n=2", "sharing=channel", "init=silu", "domain=linear", "parameters=nodal")


def start(config: dict[str, Any], epoch: int) -> dict[str, Tensor]:
    """The functions that a run begins with, refined as they are in an epoch."""
    pl.seed_everything(config["seed"], verbose=False)
    net = build(config).net
    refined_to(net, config, epoch)
    layers = ((name, layer.shape) for name, layer in net.named_modules() if isinstance(layer, HighOrderLayer))
    return {f"net.{name}.shape": shape.detach() for name, shape in layers if shape is not None}


def ends(config: dict[str, Any], folder: Path, *crashes: int) -> list[dict[str, Tensor]]:
    """Train, crashing at these training steps of each attempt; give the weights after each."""
    found = []
    for call in (*crashes, None):
        with crash_at(Classification, "training_step", call) if call else nullcontext():
            run.train(config, folder)
        found.append(read_checkpoint(folder / "checkpoints" / "last.ckpt")["state_dict"])
    return found


def test_functions_stay_while_frozen_are_refined_learn_and_stay(
    settings: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    growing = ("segments=2", "refine.epochs=[1,2]", "refine.segments=[4,8]")
    config = settings(*LINE, *FORM, *growing, "functions.frozen=0.5", "functions.until=0.75", "scheduler=none")
    frozen, learned, end = ends(config, tmp_path, 5, 3)  # steps 0 to 3; 4 and 5; 6 and 7
    first, finer = start(config, 1), start(config, 2)
    assert first
    assert all(frozen[name].equal(shape) for name, shape in first.items())
    assert not any(torch.allclose(learned[name], shape, atol=1e-4) for name, shape in finer.items())
    assert all(end[name].equal(learned[name]) for name in first)
    assert not end["net.fc.weight"].equal(learned["net.fc.weight"])
