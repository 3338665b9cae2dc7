"""From a checked config to the things that train: data, network, task."""

from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import nn

from .. import compiler
from ..conversion.counting import count_parameters, count_reduced_parameters, multiply_adds
from ..conversion.growth import refined_to
from ..conversion.report import Report
from ..data.factory import image_data_module
from ..data.images.module import ImageDataModule
from ..errors import UserError
from ..models.factory import network
from ..models.stages import Staged
from ..optim.factory import make_optimizers
from ..settings import Config
from . import Classification


@dataclass(frozen=True)
class Experiment:
    """All that a run trains and tests."""

    data: ImageDataModule
    net: nn.Module
    task: Classification
    report: Report
    macs: int


def build(config: Config) -> Experiment:
    """Build data, network and task of a resolved config; the global random state decides the weights."""
    data = image_data_module(config)
    _check_together(config, data)
    net, report = network(config, channels=data.channels, classes=data.num_classes, image_size=data.image_size)
    image = (data.channels, data.image_size, data.image_size)
    _check_training(net, min(config["batch_size"], 2), image)
    macs = multiply_adds(net, image)
    trained = _staged(net, config, data) if config["layer_by_layer"] else net
    return Experiment(data, net, _task(trained, config, data), report, macs)


def _check_together(config: Config, data: ImageDataModule) -> None:
    """Refuse what this data set or this machine cannot do, before anything takes time."""
    if data.num_classes < 2:
        rule = "telling classes apart needs at least two, named in the metadata `classes` of its file"
        raise UserError(f"dataset={config['choices']['dataset']}: holds one class, {data.classes[0]}; {rule}")
    on_cpu = config["trainer"]["accelerator"] == "cpu" or not torch.accelerator.is_available()
    if config["compile"] and on_cpu and compiler.found() is None:
        raise UserError(
            f"compile=true: torch needs a C++ compiler, and {compiler.command()} is not there; {compiler.advice()}; "
            "or leave compile out"
        )


def _check_training(net: nn.Module, batch: int, image: tuple[int, int, int]) -> None:
    """Refuse what only shows in training mode: norms without enough values to take statistics of."""
    try:
        with torch.no_grad():
            deepcopy(net).to("meta").train()(torch.zeros(batch, *image, device="meta"))
    except ValueError as error:
        raise UserError(f"the network cannot train on batches of {batch}+ images of {image}: {error}") from error


def _staged(net: nn.Module, config: Config, data: ImageDataModule) -> Staged:
    staged = Staged(net, torch.zeros(2, data.channels, data.image_size, data.image_size))
    needed = staged.count * config["epochs_per_layer"]
    if config["max_epochs"] < needed and not config["trainer"].get("debug"):
        raise UserError(
            f"max_epochs={config['max_epochs']}: layer_by_layer trains {staged.count} stages for "
            f"epochs_per_layer={config['epochs_per_layer']} each, so it needs max_epochs >= {needed}"
        )
    staged.select(0)
    return staged


def _task(net: nn.Module, config: Config, data: ImageDataModule) -> Classification:
    if config["compile"]:
        net.compile()
    return Classification(
        net,
        data.num_classes,
        partial(make_optimizers, config),
        loss=config["loss"],
        label_smoothing=config["label_smoothing"],
        clamp_weights=config["clamp_weights"],
        create_graph=config["optimizer"].get("create_graph", False),
        channels_last=config["channels_last"],
    )


def refined_experiment(experiment: Experiment, config: Config, epoch: int) -> Experiment:
    """Bring an experiment's network to an epoch, in place, and count parameters and multiply-adds again."""
    if not config.get("refine", {}).get("epochs"):
        return experiment
    net, data = experiment.net, experiment.data
    refined_to(net, config, epoch)
    report = replace(
        experiment.report,
        parameters_after=count_parameters(net),
        parameters_reduced=count_reduced_parameters(net),
    )
    macs = multiply_adds(net, (data.channels, data.image_size, data.image_size))
    return replace(experiment, report=report, macs=macs)
