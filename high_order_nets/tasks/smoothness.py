"""A price on bends."""

from typing import Any

import torch
from torch import Tensor

from ..layers import HighOrderLayer
from ..layers.bending import roughness
from .base import Task


class Smoothness:
    """An objective: the loss plus `factor` times the `roughness` of all functions that connections share.

    Its limit for many nodes is the second-order total variation of deep splines (Bohra et al., 2020).
    """

    def __init__(self, factor: float):
        self._factor = factor
        self._task: Task | None = None

    def attach(self, task: Task) -> None:
        """Look at its network, which may be refined."""
        self._task = task

    def __call__(self, loss: Tensor, batch: Any, outputs: Tensor | None) -> Tensor:
        """Give what is minimised."""
        del batch, outputs
        assert self._task is not None
        layers = (module for module in self._task.net.modules() if isinstance(module, HighOrderLayer))
        parts = [part for layer in layers if (part := roughness(layer)) is not None]
        return loss + self._factor * torch.stack(parts).sum() if parts else loss
