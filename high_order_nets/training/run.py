"""One run: from a checked config to metrics, checkpoints and weights in a folder."""

import logging
import platform
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from ..conversion.growth import refined_to
from ..data.factory import located
from ..errors import UserError
from ..files import write_yaml
from ..metrics import figures_of, score
from ..models.stages import complete
from ..plots.draw import Settings, redraw_curves
from ..processes import is_first
from ..run.checkpoints import load_state, read_checkpoint, refined_epoch, write_weights
from ..run.claims import claimed, finished
from ..run.folder import is_finished
from ..run.layout import AVERAGED_WEIGHTS, BEST, CHECKPOINTS, CONFIG, LAST, WEIGHTS, run_of, there
from ..run.record import recorded, tested_of
from ..run.summary import show_summary
from ..settings import Config
from ..tasks.experiment import Experiment, build, refined_experiment
from .callbacks.plots import unharmed
from .callbacks.refine import last_refined
from .callbacks.signals import handled, stop_at_once
from .launched import check_gpus, check_started
from .loggers.base import closed, loggers_of
from .memory import keep_freed_memory
from .origin import Origin, find_origin
from .resume import Start, find_start
from .trainer import fit, gathered, make_tester, make_trainer, processes, tester_after

log = logging.getLogger(__name__)


def train(config: Config, folder: Path) -> float:
    """Train, test and save everything under the folder, going on with the run there; return its score.

    Writes config.yaml, checkpoints/, model.safetensors, metrics.json and what its loggers write. Raises UserError for
    what cannot be done, Diverged for a number that is not finite and Interrupted for a signal; metrics.json says so. A
    run that has finished is only shown. Of several processes that torchrun or SLURM has started the first one writes.
    """
    check_started(config)
    check_gpus(config)
    if not is_first():
        return _train_along(config, folder)
    with claimed(folder), handled(stop_at_once):
        record = finished(config, folder)
        if record is not None:
            log.info("run_dir=%s: this run has finished already; nothing is left to do", folder)
        else:
            record = _recorded(config, folder)
    show_summary(record, folder)
    return score(record)


def _train_along(config: Config, folder: Path) -> float:
    """Train with the process that writes, or find, as it does, that nothing is left to do."""
    with handled(stop_at_once), _quiet():
        record = finished(config, folder)
        if record is None:
            record = _train(config, folder, find_start(config, folder))
    return score(record)


def test(path: Path, out: Path | None = None, *, each: bool = False, flip: bool = False) -> float:  # noqa: PT028
    """Repeat the test from a checkpoint alone, with `flip` of mirror images too; return its score.

    What it tells beside its figures, of `each` item too, is written into `out` or, where it is the test that a finished
    run ended with, into the run's folder; else nowhere.
    """
    folder = out or tested_run(path)
    if each and folder is None:
        raise UserError(f"predictions=true: ckpt={path} is not what a finished run has tested; say where to: out=DIR")
    checkpoint = read_checkpoint(path)
    with _quiet():
        try:
            config = located(checkpoint["config"])
            config = _flipping(config) if flip else config
            pl.seed_everything(config["seed"], workers=True, verbose=False)
            experiment = refined_experiment(build(config), config, refined_epoch(checkpoint))
            experiment.data.check_saved(checkpoint)
            trainer = make_tester(config, folder, each=each)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"ckpt={path}: its config is none of high-order-nets: {error!r}") from error
        load_state(experiment.task, checkpoint["state_dict"], path)
        figures = tested_of(checkpoint, path.stem) | _tested(trainer, experiment)
    show_summary(figures | sizes_of(experiment), path)
    return score(figures)


def _flipping(config: Config) -> Config:
    """Ask for a test of mirror images too."""
    if config["task"]["name"] != "classification":
        raise UserError(f"test_flip=true: averages the logits of classes, and task={config['task']['name']} has none")
    return config | {"measure": config["measure"] | {"test_flip": True}}


def tested_run(path: Path) -> Path | None:
    """Return the folder of the finished run that ended with the test of this checkpoint; None if there is none."""
    folder = run_of(path)
    tested = there(folder, (BEST, LAST))[:1]
    return folder if is_finished(folder) and any(path.samefile(each) for each in tested) else None


def save_weights(folder: Path, experiment: Experiment, config: Config, figures: dict[str, Any]) -> None:
    """Write the tested network's weights, with config, figures and what the data say of themselves as JSON metadata.

    Their average, where there is one, goes into a file of its own, which says so: `weights` is ema.
    """
    about = {"config": config} | experiment.data.state_dict() | {"metrics": figures}
    net, *averaged = map(complete, experiment.task.nets)
    write_weights(folder / WEIGHTS, net.state_dict(), about)
    for other in averaged:
        write_weights(folder / AVERAGED_WEIGHTS, other.state_dict(), about | {"weights": "ema"})


def sizes_of(experiment: Experiment) -> dict[str, int]:
    """Count parameters and multiply-adds."""
    return {
        "parameters": experiment.report.parameters_after,
        "parameters_reduced": experiment.report.parameters_reduced,
        "macs": experiment.macs,
    }


def device_of(trainer: pl.Trainer) -> str:
    """Name what the trainer runs on."""
    device = trainer.strategy.root_device
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device} ({platform.machine()})"


def _recorded(config: Config, folder: Path) -> dict[str, Any]:
    start = find_start(config, folder)
    write_yaml(folder / CONFIG, config)
    with recorded(config, folder) as record, _quiet():
        record.update(_train(config, folder, start))
    return record


def _train(config: Config, folder: Path, start: Start) -> dict[str, Any]:
    keep_freed_memory()
    torch.set_float32_matmul_precision(config["matmul_precision"])
    pl.seed_everything(config["seed"], workers=True, verbose=False)
    origin = Origin(record=start.origin) if start.path else find_origin(config)
    start = replace(start, origin=origin.record)
    experiment = build(config, origin.source)
    origin.tell(experiment.data.state_dict().get("normalisation"))
    experiment.data.check_saved(start.saved)
    log.info("%s on %s\n%s", config["choices"]["model_name"], config["choices"]["dataset"], experiment.report)
    trainer = make_trainer(config, experiment, folder, start)
    with closed(trainer):
        return _trained(trainer, experiment, config, folder, start)


def _trained(trainer: pl.Trainer, experiment: Experiment, config: Config, folder: Path, start: Start) -> dict[str, Any]:
    """Train and test; write the weights, and return the figures."""
    fit(trainer, experiment, start)
    figures = figures_of(start.figures) | figures_of(trainer.callback_metrics)
    experiment = gathered(trainer, experiment, config, folder / CHECKPOINTS / LAST)
    tested, refined = _load_best(trainer, experiment, config, folder / CHECKPOINTS / BEST)
    experiment = refined_experiment(experiment, config, refined)
    figures |= tested | _tested(tester_after(trainer, config, folder), experiment) | sizes_of(experiment)
    figures |= {"device": device_of(trainer), "devices": processes(trainer)}
    figures |= {"batch_a_process": config["batch_size"] // processes(trainer)}
    figures |= {"refined_epoch": refined} if config["refine"]["epochs"] else {}
    figures |= {"origin": start.origin} if start.origin else {}
    if trainer.is_global_zero:
        _leave(trainer, experiment, config, folder, figures)
    return figures


def _leave(trainer: pl.Trainer, experiment: Experiment, config: Config, folder: Path, figures: dict[str, Any]) -> None:
    """Leave curves with the result of the test, the results in the loggers, and the weights."""
    if config["plots"]["enabled"]:
        with unharmed():
            redraw_curves(folder, Settings.of(config), figures)
    for logger in loggers_of(trainer):
        logger.log_run(config, figures)
    save_weights(folder, experiment, config, figures)


def _load_best(trainer: pl.Trainer, experiment: Experiment, config: Config, path: Path) -> tuple[dict[str, Any], int]:
    """Load the best weights by validation where there are any; say which are tested, and refined in which epoch.

    With the best come the validation figures of their own epoch.
    """
    if not path.exists():
        return {"tested": "last", "tested_epoch": trainer.current_epoch}, last_refined(trainer)
    checkpoint = read_checkpoint(path)
    refined_to(experiment.task, config, refined_epoch(checkpoint))
    load_state(experiment.task, checkpoint["state_dict"], path)
    return tested_of(checkpoint, "best"), refined_epoch(checkpoint)


def _tested(trainer: pl.Trainer, experiment: Experiment) -> dict[str, Any]:
    """Test; name the metric that the result goes by, and the scores by their own names."""
    (results,) = trainer.test(experiment.task, datamodule=experiment.data, verbose=False)
    figures = figures_of(results)
    return {"headline": experiment.task.headline} | figures | {n: figures[f"test_{n}"] for n in experiment.task.scores}


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
