"""Lightning's Trainer from the config: where it runs, what it saves, what it shows."""

import warnings
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import Callback, EarlyStopping, LearningRateMonitor
from pytorch_lightning.strategies import ModelParallelStrategy
from rich.console import Console
from torch.multiprocessing.spawn import ProcessRaisedException

from ..conversion.align import unaligned
from ..errors import UserError, from_traceback
from ..models.degree import is_polynomial
from ..models.stages import Staged
from ..plots.draw import Settings
from ..processes import is_first, started
from ..run.checkpoints import load_state, read_checkpoint
from ..run.layout import CHECKPOINTS
from ..settings import Config, is_debug, is_shared_out, validates
from ..targets import made
from ..tasks.experiment import Experiment, build
from .callbacks.align import Align
from .callbacks.best_test import BestTest
from .callbacks.clock import Clock
from .callbacks.degree import Degree
from .callbacks.divergence import ExplainDivergence
from .callbacks.examine import Examine
from .callbacks.first_statistics import FirstStatistics
from .callbacks.freeze import Freeze
from .callbacks.history import History
from .callbacks.lines import EpochLines, Silence
from .callbacks.plots import make_plots
from .callbacks.profile import Profile
from .callbacks.progress import Progress
from .callbacks.refine import Refine
from .callbacks.reseed import Reseed
from .callbacks.saver import Saver
from .callbacks.signals import StopBetweenSteps, passed_on
from .callbacks.stages import StageByStage
from .checkpoint_io import WholeFiles
from .launched import among, environment
from .loggers.factory import make_loggers
from .resume import Start


def make_trainer(config: Config, experiment: Experiment, folder: Path, start: Start) -> pl.Trainer:
    """Make the trainer of a run whose files go under the folder; UserError where it cannot run here."""
    trainer = _trainer(
        config,
        **_place(config),
        max_epochs=config["max_epochs"],
        gradient_clip_val=config["gradient_clip_val"] or None,
        logger=make_loggers(config, folder, start.step),
        callbacks=[
            *(*_keepers(config, folder, start), *_callbacks(config, experiment)),
            *(History(folder), *make_plots(config, experiment, folder)),
            *([Profile(folder)] if config["profile"] else []),
            _examine(config, folder, each=config["predictions"]),
            *own_callbacks(config),
        ],
        enable_checkpointing=False,  # Saver does it.
        plugins=[WholeFiles(), environment()],
        num_sanity_val_steps=0,  # It would evaluate before batch norms have seen data.
        log_every_n_steps=10,
    )
    _check_place(config, trainer)
    return trainer


def make_tester(config: Config, folder: Path | None, *, each: bool) -> pl.Trainer:
    """Make a trainer that only tests, on what this machine has: a checkpoint's own place may be another one.

    What the test tells beside its figures, of `each` item too, it writes into the folder, if there is one.
    """
    if config["precision"] == "16-mixed" and not torch.cuda.is_available():
        config = config | {"precision": "32-true"}
    callbacks = [Silence(), *([_examine(config, folder, each=each)] if folder else [])]
    return _trainer(
        config, accelerator="auto", devices=1, logger=False, enable_checkpointing=False, callbacks=callbacks
    )


def fit(trainer: pl.Trainer, experiment: Experiment, start: Start) -> None:
    """Train, from the start or from a checkpoint; what a spawned process raised is raised here as what it was."""
    try:
        with passed_on(trainer):
            trainer.fit(experiment.task, datamodule=experiment.data, ckpt_path=start.path, weights_only=True)
    except ProcessRaisedException as error:
        spawned = from_traceback(str(error))
        if spawned is None:
            raise
        raise spawned from error


def gathered(trainer: pl.Trainer, experiment: Experiment, config: Config, last: Path) -> Experiment:
    """Return the experiment with the whole network in each process: one that was shared out, from the last checkpoint.

    There norms have the statistics of one process; shared out, each has its own.
    """
    if not _shares(trainer):
        return experiment
    copy = build(config)
    load_state(copy.task, read_checkpoint(last)["state_dict"], last)
    return copy


def tester_after(trainer: pl.Trainer, config: Config, folder: Path) -> pl.Trainer:
    """Return what tests a network after training: the trainer itself, or one that shares no network out."""
    if not _shares(trainer):
        return trainer
    place = _place(config | {"trainer": config["trainer"] | {"strategy": "auto"}})
    callbacks = [Silence(), _examine(config, folder, each=config["predictions"])]
    return _trainer(
        config,
        **place,
        logger=trainer.loggers,
        callbacks=callbacks,
        enable_checkpointing=False,
        plugins=[environment()],
    )


def _shares(trainer: pl.Trainer) -> bool:
    return isinstance(trainer.strategy, ModelParallelStrategy)


def processes(trainer: pl.Trainer) -> int:
    """Count the processes that a trainer trains with, also before it has started them."""
    return trainer.num_devices * trainer.num_nodes


def _check_place(config: Config, trainer: pl.Trainer) -> None:
    """Refuse what would be silently another thing here."""
    if config["precision"] == "16-mixed" and trainer.strategy.root_device.type == "cpu":
        raise UserError("precision=16-mixed: a CPU computes it in bfloat16; take bf16-mixed or 32-true")
    if config["unfreeze_at"] is not None and processes(trainer) > 1:  # gradients are shared of what has them at first
        raise UserError(f"unfreeze_at={config['unfreeze_at']}: one process alone can unfreeze; leave trainer.devices=1")
    if config["batch_size"] % processes(trainer):
        raise UserError(
            f"batch_size={config['batch_size']}: is that of a step, and {processes(trainer)} processes cannot share it "
            "evenly; take a multiple of their number"
        )
    if config["batch_size"] // processes(trainer) < config["accumulate"]:
        share = f"batch_size={config['batch_size']} of {processes(trainer)} processes"
        raise UserError(f"accumulate={config['accumulate']}: splits the part that a process has of {share}; take less")


def _trainer(config: Config, **options: Any) -> pl.Trainer:
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*AMP with fp16 is not supported on CPU")  # refused by _check_place
            return pl.Trainer(
                precision=config["precision"],
                enable_progress_bar=Console().is_terminal and is_first(),
                enable_model_summary=False,
                use_distributed_sampler=False,  # The loaders share the images out among processes themselves.
                **_limits(config),
                **options,
            )
    except (MisconfigurationException, ValueError, TypeError) as error:
        raise UserError(f"trainer={config['choices']['trainer']} precision={config['precision']}: {error}") from error


def _examine(config: Config, folder: Path, *, each: bool) -> Examine:
    return Examine(folder, Settings.of(config) if config["plots"]["enabled"] else None, each=each)


def _place(config: Config) -> dict[str, Any]:
    place = {key: value for key, value in config["trainer"].items() if key != "debug"}
    if found := started():
        return place | among(found, place["strategy"])
    if place["devices"] not in (1, "auto") and place["strategy"] == "auto":
        # Lightning's own choice would run the command line, -m included, once more a device.
        place["strategy"] = "ddp_spawn"
    return place | {"num_nodes": 1}


def _limits(config: Config) -> dict[str, Any]:
    most = 1 if is_debug(config) else config["limit_batches"]
    limits = {f"limit_{split}_batches": most for split in ("train", "val", "test")}
    return limits if validates(config) else limits | {"limit_val_batches": 0}


def _keepers(config: Config, folder: Path, start: Start) -> list[Callback]:
    """Make what keeps a run safe; before all other callbacks, because what is saved is the state before they act."""
    signals = StopBetweenSteps()
    averaged = config["ema"]["decay"] is not None and config["ema"]["best"]
    saver = Saver(config, folder / CHECKPOINTS, signals, averaged=averaged, origin=start.origin)
    keepers = [saver, signals, Reseed(config["seed"])]
    # To explain, a process runs the network by itself, which of a part of one it cannot.
    return keepers if is_shared_out(config) else [*keepers, ExplainDivergence(config["seed"], saver)]


def _callbacks(config: Config, experiment: Experiment) -> list[Callback]:
    callbacks: list[Callback] = [Silence(), Clock(), EpochLines()]
    if config["logger"]:
        callbacks.append(LearningRateMonitor("step"))
    if Console().is_terminal and is_first():
        callbacks.append(Progress())
    if config["early_stopping"]:
        callbacks.append(EarlyStopping("val_loss", patience=config["early_stopping"]))
    if config["refine"]["epochs"]:
        callbacks.append(Refine(config))
    if experiment.task.frozen is not None:
        callbacks.append(Freeze(experiment.task.frozen, config["unfreeze_at"]))
    if unaligned(experiment.net):
        callbacks.append(Align(config["functions"]["frozen"]))
    if is_polynomial(experiment.net):
        callbacks.append(FirstStatistics())
    if config["measure"]["degree"]:
        callbacks.append(Degree(config["measure"]["degree"]))
    if config["measure"]["best_test"]:
        callbacks.append(BestTest())
    if staged := [net for net in experiment.task.nets if isinstance(net, Staged)]:
        callbacks.append(StageByStage(staged, config["epochs_per_layer"]))
    return callbacks


def own_callbacks(config: Config) -> list[Callback]:
    """Make the callbacks of one's own, which come last: what is saved is the state before they act."""
    callbacks = [made(node, f"callbacks.{place}") for place, node in enumerate(config["callbacks"])]
    if len(keys := {each.state_key for each in callbacks}) < len(callbacks):
        raise UserError(f"callbacks: two of {', '.join(sorted(keys))}; give each a state_key of its own")
    return callbacks
