"""One run: from a checked config to metrics, checkpoints and weights in a folder."""

import logging
import os
import platform
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import TensorBoardLogger

from ..errors import Diverged, UserError
from .build import Config, Experiment, build
from .checkpoints import load_state, read_checkpoint, save_weights
from .config import project_root
from .memory import keep_freed_memory
from .reports import flat, show_summary, write_json, write_yaml
from .trainer import fit, make_tester, make_trainer

log = logging.getLogger(__name__)

DEBUG_IMAGES = 16
"""Images a batch under trainer=debug."""


def train(config: Config, folder: Path) -> float:
    """Train, test and save everything under the folder; return the test accuracy.

    Writes config.yaml, TensorBoard events, checkpoints/, model.safetensors and metrics.json. Raises UserError for what
    cannot be done and Diverged for a non-finite loss; metrics.json then says `status: failed` or `diverged`.
    """
    config = _debug(config) if config["trainer"].get("debug") else config
    if _holds_run(folder):
        raise UserError(f"run_dir={folder}: holds a run already; name another folder or remove it")
    folder.mkdir(parents=True, exist_ok=True)
    write_yaml(folder / "config.yaml", config)
    started = time.perf_counter()
    record: dict[str, Any] = _circumstances(config) | {"status": "failed"}
    try:
        with _quiet():
            record |= _train(config, folder)
    except Diverged as error:
        record |= {"status": "diverged", "error": str(error)}
        raise
    except BaseException as error:
        record["error"] = f"{type(error).__name__}: {error}"
        raise
    finally:
        record["total_seconds"] = time.perf_counter() - started
        write_json(folder / "metrics.json", record)
    show_summary(record, folder)
    return record["test_acc"]


def test(path: Path) -> float:
    """Repeat the test from a checkpoint alone; return the test accuracy."""
    checkpoint = read_checkpoint(path)
    with _quiet():
        try:
            config = _located(checkpoint["config"])
            pl.seed_everything(config["seed"], workers=True, verbose=False)
            experiment = build(config)
            trainer = make_tester(config)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"ckpt={path}: its config is none of high-order-nets: {error!r}") from error
        load_state(experiment.task, checkpoint["state_dict"], path)
        figures = _figures(_tested(trainer, experiment))
    show_summary(figures | _sizes(experiment), path)
    return figures["test_acc"]


def _holds_run(folder: Path) -> bool:
    """Say whether a new run would write over results; a run that failed before training has none."""
    metrics = folder / "metrics.json"
    unfinished = ('"status": "failed"', '"status": "diverged"')
    finished = metrics.exists() and not any(status in metrics.read_text(encoding="utf-8") for status in unfinished)
    return finished or any(folder.glob("checkpoints/*.ckpt"))


def _located(config: Config) -> Config:
    """Point the config of a checkpoint from another machine or folder to the data of this one."""
    dataset = config["dataset"]
    if (Path(dataset["root"]) / f"{dataset['name']}.safetensors").exists():
        return config
    root = os.environ.get("HIGH_ORDER_NETS_DATA", str(project_root() / "data"))
    return config | {"dataset": dataset | {"root": root}}


def _train(config: Config, folder: Path) -> dict[str, Any]:
    keep_freed_memory()
    torch.set_float32_matmul_precision(config["matmul_precision"])
    pl.seed_everything(config["seed"], workers=True, verbose=False)
    experiment = build(config)
    log.info("%s on %s\n%s", config["choices"]["model_name"], config["choices"]["dataset"], experiment.report)
    trainer = make_trainer(config, experiment, folder)
    began = time.perf_counter()
    fit(trainer, experiment)
    seconds = time.perf_counter() - began
    figures = _figures(trainer.callback_metrics)
    tested = _load_best(trainer, experiment)
    figures |= _figures(_tested(trainer, experiment)) | _sizes(experiment)
    figures |= {"seconds": seconds, "tested": tested, "device": _device(trainer)}
    assert isinstance(trainer.logger, TensorBoardLogger)
    numbers = {key: value for key, value in figures.items() if isinstance(value, float)}
    trainer.logger.log_hyperparams(flat(config), numbers)
    trainer.logger.finalize("success")
    save_weights(folder / "model.safetensors", experiment, config, figures)
    return figures | {"status": "finished"}


def _debug(config: Config) -> Config:
    """Make it one batch of at most 16 images of each split, and one epoch."""
    return config | {"max_epochs": 1, "batch_size": min(config["batch_size"], DEBUG_IMAGES)}


def _load_best(trainer: pl.Trainer, experiment: Experiment) -> str:
    """Load the best weights by validation where there are any; say which ones are tested."""
    checkpoints = trainer.checkpoint_callback
    assert isinstance(checkpoints, ModelCheckpoint)
    if checkpoints.monitor is None or not checkpoints.best_model_path:
        return "last"
    path = Path(checkpoints.best_model_path)
    load_state(experiment.task, read_checkpoint(path)["state_dict"], path)
    return "best"


def _tested(trainer: pl.Trainer, experiment: Experiment) -> dict[str, Any]:
    (results,) = trainer.test(experiment.task, datamodule=experiment.data, verbose=False)
    return dict(results)


def _figures(metrics: dict[str, Any]) -> dict[str, Any]:
    """Take the figures out of Lightning's metrics, under one name each."""
    names = {f"{split}_{figure}" for split in ("train", "val", "test") for figure in ("acc", "acc5", "loss")}
    names |= {"seconds_per_epoch", "images_per_second", "epochs"}
    figures: dict[str, Any] = {key: float(value) for key, value in metrics.items() if key in names}
    if "epochs" in figures:
        figures["epochs"] = int(figures["epochs"])
    if "train_loss_epoch" in metrics:  # train_loss itself is the last step's
        figures["train_loss"] = float(metrics["train_loss_epoch"])
    return figures


def _sizes(experiment: Experiment) -> dict[str, int]:
    return {
        "parameters": experiment.report.parameters_after,
        "parameters_reduced": experiment.report.parameters_reduced,
        "macs": experiment.macs,
    }


def _device(trainer: pl.Trainer) -> str:
    device = trainer.strategy.root_device
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device} ({platform.machine()})"


def _circumstances(config: Config) -> dict[str, Any]:
    """Say what made the figures: command, time, versions, threads."""
    packages = ("high-order-nets", "torch", "torchvision", "pytorch-lightning")
    return {
        "command": config["command"],
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": config["seed"],
        "choices": config["choices"],
        "versions": {"python": platform.python_version()} | {name: version(name) for name in packages},
        "threads": torch.get_num_threads(),
        "cpus": os.cpu_count(),
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave the warning filters and Lightning's log as they were."""
    level = logging.getLogger("pytorch_lightning").level
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            yield
    finally:
        logging.getLogger("pytorch_lightning").setLevel(level)
