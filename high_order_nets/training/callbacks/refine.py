"""Refinement during training: the network grows at given epochs and goes on from the functions it has."""

import logging
from typing import Any

import pytorch_lightning as pl
from torch import nn

from ...conversion.counting import count_parameters
from ...conversion.growth import refined_to, target_at
from ...conversion.refine import Target
from ...errors import UserError
from ...optim.groups import replace_parameters
from ...settings import Config

log = logging.getLogger(__name__)


class Refine(pl.Callback):
    """Refine the network at the start of the epochs in `refine.epochs`: its output stays, its functions get richer.

    The average of its weights, where there is one, is refined likewise: it is as if finer weights had been averaged.

    The optimizer forgets the state (momentum, variances) of the parameters that were replaced and keeps that of all
    others, where it can (`replace_parameters`); learning rates and schedules go on. On resuming, `rebuild` comes before
    the weights are loaded.
    """

    def __init__(self, config: Config):
        self._config = config
        self.epoch = 0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Refine if it is time; raises UserError where several processes train."""
        epoch = trainer.current_epoch
        if epoch not in self._config["refine"]["epochs"] or epoch <= self.epoch:
            return
        if trainer.world_size > 1:
            raise UserError("refine.epochs: one process alone can refine; take trainer=cpu or gpu")
        before = count_parameters(_net(pl_module))
        replaced = refined_to(pl_module, self._config, epoch)
        for optimizer in trainer.optimizers:
            replace_parameters(optimizer, replaced)
        self.epoch = epoch
        figures = _words(target_at(self._config, epoch)), before, count_parameters(_net(pl_module))
        log.info("refined to %s: %d → %d parameters; the optimizer's state of those that changed is reset", *figures)

    def state_dict(self) -> dict[str, Any]:
        """Give the epoch of the last refinement."""
        return {"epoch": self.epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on after it."""
        self.epoch = state_dict["epoch"]

    def rebuild(self, pl_module: pl.LightningModule, state: dict[str, Any]) -> None:
        """Give the freshly built network the layers that it had when `state` was saved; its weights come later."""
        refined_to(pl_module, self._config, state.get("epoch", 0))


def last_refined(trainer: pl.Trainer) -> int:
    """Give the epoch of a trainer's last refinement; 0 where there was none."""
    return next((callback.epoch for callback in trainer.callbacks if isinstance(callback, Refine)), 0)  # type: ignore[attr-defined]


def _net(pl_module: pl.LightningModule) -> nn.Module:
    return pl_module.net  # type: ignore[return-value]


def _words(target: Target | None) -> str:
    return " ".join(f"{key}={value}" for key in ("n", "segments") if (value := getattr(target, key)) is not None)
