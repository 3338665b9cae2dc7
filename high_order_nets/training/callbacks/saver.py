"""Saves a run between its steps, so that it can go on as if it had never stopped."""

import logging
import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytorch_lightning as pl

from ...errors import Diverged, Interrupted, UserError
from ...metrics import AVERAGED, metric
from ...optim.groups import regroup
from ...optim.schedules import set_rates
from ...run.layout import BEST, LAST
from ...settings import Config, validates
from .signals import StopBetweenSteps

log = logging.getLogger(__name__)
Progress = dict[str, Any]


class Saver(pl.Callback):
    """Save at the end of each epoch and of training, every so many steps if asked, and before a signal stops it.

    Also before the last step of an epoch that ends in a validation: a signal in there stops it within a batch.

    The best epoch is that of the network or, if `averaged`, of its averaged weights; both are in every checkpoint.

    Comes first among the callbacks: what is saved is the state before any of them has begun the next epoch or step,
    with everything of the last one done (learning rates, clamped weights, validation). Weights that are not finite
    raise Diverged instead of being saved.

    A callback that changes the network must be able to `rebuild` it (`tasks.base.Rebuilds`). The order of a
    resumed run: network built from the config; rebuilt; its weights, then the callbacks' states loaded; optimizers
    made and loaded.
    """

    def __init__(
        self,
        config: Config,
        folder: Path,
        signals: StopBetweenSteps,
        *,
        averaged: bool = False,
        origin: Mapping[str, Any] = MappingProxyType({}),
    ):
        self._config, self._signals, self._origin = config, signals, dict(origin)
        self._folder = folder
        self._every = config["checkpoint"]["every_n_steps"]
        # Read-outs of stages do not compete.
        self._compares = validates(config) and not config["layer_by_layer"]
        self._validates = validates(config)
        self._judged = AVERAGED if averaged else ""
        self._best = -math.inf
        self._saved_step = -1
        self._done = False
        self._figures: dict[str, float] = {}
        self._goes_on_as_before = False
        self.last: Path | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin with the rates of this run's schedule, whatever that of the checkpoint was."""
        for each in () if self._goes_on_as_before else trainer.lr_scheduler_configs:
            set_rates(each.scheduler)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the epoch before; stop if asked to."""
        if trainer.current_epoch > 0:
            self._save_epoch(trainer)
        self._stop(trainer)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Save the steps before; stop if asked to."""
        if trainer.fit_loop.restarting:  # Lightning would leave out scheduler=plateau at the end of a resumed epoch.
            trainer.fit_loop.restarting = False
        last = batch_idx == trainer.num_training_batches - 1  # what follows is validation, which can be stopped
        due = self._every and trainer.global_step % self._every == 0
        if batch_idx and (due or (last and self._validates)):
            self._save(trainer)
        self._stop(trainer)

    def on_validation_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Stop if asked to: the last step before is saved, and is done again with the whole validation."""
        if signum := self._signals.received(trainer):
            raise Interrupted(signum)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the end of training."""
        self._done = True
        self._save_epoch(trainer)
        self._stop(trainer)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add config, origin, progress and the figures so far."""
        checkpoint["config"], checkpoint["origin"] = self._config, self._origin
        progress = settle(checkpoint["loops"]["fit_loop"])
        shared = {"processes": trainer.world_size, "shared_batches": True}
        checkpoint["progress"] = progress | {"done": self._done} | shared
        self._figures |= {key: float(value) for key, value in trainer.callback_metrics.items()}
        checkpoint["figures"] = dict(self._figures)

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Go on where the checkpoint was saved."""
        regroup(checkpoint, pl_module.net)  # type: ignore[arg-type]
        # Up to 0.1 a run with more epochs began with the rate of the old schedule's end; those runs keep their figures.
        self._goes_on_as_before = "origin" not in checkpoint
        progress = checkpoint["progress"]
        if progress["batch"] and progress["processes"] != trainer.world_size:
            raise UserError(
                f"trainer.devices={trainer.world_size}: the run stopped within an epoch of {progress['processes']} "
                "processes; go on with as many"
            )
        self._check_batches(progress)
        self._saved_step = checkpoint["global_step"]
        self._figures = dict(checkpoint["figures"])
        self.last = self._folder / LAST
        # Beyond max_epochs there is nothing to do anyway; a run that early stopping has ended stays ended.
        trainer.should_stop = progress["done"] and progress["epoch"] < checkpoint["config"]["max_epochs"]
        trainer.datamodule.start = progress["epoch"], progress["batch"]  # type: ignore[attr-defined]

    def _check_batches(self, progress: Progress) -> None:
        """Say what batch_size was in a run of several processes that an older version has begun."""
        if progress["processes"] == 1 or "shared_batches" in progress:
            return
        size, count = self._config["batch_size"], progress["processes"]
        said = f"batch_size={size}: until here, by an older version, it was that of each of {count} processes"
        if progress["batch"]:
            raise UserError(f"{said}, and the run stopped within an epoch; name another run_dir")
        log.warning("%s; now it is that of a step", said)

    def state_dict(self) -> dict[str, Any]:
        """Give the best score so far."""
        return {"best": self._best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Compare with the best score so far."""
        self._best = state_dict["best"]

    def _save_epoch(self, trainer: pl.Trainer) -> None:
        if trainer.global_step == self._saved_step and not self._done:
            return  # just resumed here
        score = _score(trainer, self._judged) if self._compares else -math.inf
        if score > self._best:
            self._best = score
            # Before the last one: a best score is never on record without its weights.
            self._write(trainer, BEST)
        self._save(trainer)

    def _save(self, trainer: pl.Trainer) -> None:
        self._write(trainer, LAST)
        self._saved_step = trainer.global_step
        self.last = self._folder / LAST

    def _write(self, trainer: pl.Trainer, name: str) -> None:
        unsound = [key for key, p in trainer.lightning_module.named_parameters() if not p.isfinite().all()]
        if unsound:
            error = Diverged(f"the weights of {unsound[0]} are not finite after step {trainer.global_step}")
            trainer.lightning_module.explain(error)  # type: ignore[operator]
            raise error
        trainer.save_checkpoint(self._folder / name)

    def _stop(self, trainer: pl.Trainer) -> None:
        if signum := self._signals.received(trainer):
            if trainer.global_step != self._saved_step:
                self._save(trainer)
            raise Interrupted(signum)


def _score(trainer: pl.Trainer, judged: str) -> float:
    """Return the validation figure of the headline, the greater the better; -inf where there is none."""
    key = f"val_{judged}{trainer.lightning_module.headline}"
    logged = trainer.callback_metrics
    return metric(key).merit(float(logged[key])) if key in logged else -math.inf


def settle(loop: dict[str, Any]) -> Progress:
    """Take the epoch or step that has been made ready, but not begun, out of the fit loop's state; return the progress.

    The progress is the number of finished epochs and, within an epoch, of its finished batches.
    """
    epochs, batches = loop["epoch_progress"], loop["epoch_loop.batch_progress"]
    within = epochs["current"]["started"] > epochs["current"]["processed"]
    for count in epochs["total"], epochs["current"]:
        count["ready"] = count["started"]
    for count in batches["total"], batches["current"]:
        count["ready"] = count["started"] = count["processed"] = count["completed"]
    batches["is_last_batch"] = not within
    return {"epoch": epochs["current"]["processed"], "batch": batches["current"]["completed"] if within else 0}
