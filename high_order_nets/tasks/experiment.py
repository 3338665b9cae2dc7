"""From a checked config to the things that train: data, network, task."""

from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from inspect import Parameter, signature

import torch
from torch import nn

from .. import compiler
from ..allow import carried
from ..conversion.counting import count_parameters, count_reduced_parameters, multiply_adds
from ..conversion.growth import refined_to, target_at
from ..conversion.report import Report
from ..data.base import Data
from ..data.factory import make_data
from ..data.spec import Spec
from ..errors import UserError
from ..models.factory import network
from ..models.stages import Staged
from ..models.transfer import Source
from ..optim.factory import make_optimizers
from ..settings import Config, is_debug
from .base import MakeOptimizers, Task
from .smoothness import Smoothness
from .tuning import frozen, rates


@dataclass(frozen=True)
class Experiment:
    """All that a run trains and tests."""

    data: Data
    net: nn.Module
    task: Task
    report: Report
    macs: int


def build(config: Config, source: Source | None = None) -> Experiment:
    """Build data, network and task of a resolved config; the global random state decides the weights.

    With a source of weights the network begins with those.
    """
    data = make_data(config)
    spec = data.spec
    _check_machine(config)
    net, report = network(config, spec, source)
    _check_training(net, min(config["batch_size"] // config["accumulate"], 2), spec)
    macs = _macs(net, spec)
    trained = _staged(net, config, spec) if config["layer_by_layer"] else net
    task = make_task(trained, config, spec)
    task.frozen = frozen(trained, config)
    return Experiment(data, net, task, report, macs)


def _check_machine(config: Config) -> None:
    """Refuse what this machine cannot do, before anything takes time."""
    on_cpu = config["trainer"]["accelerator"] == "cpu" or not torch.accelerator.is_available()
    if config["compile"] and on_cpu and compiler.found() is None:
        raise UserError(
            f"compile=true: torch needs a C++ compiler, and {compiler.command()} is not there; {compiler.advice()}; "
            "or leave compile out"
        )


def _check_training(net: nn.Module, batch: int, spec: Spec) -> None:
    """Refuse what only shows in training mode: norms without enough values to take statistics of."""
    example = spec.example(batch, "meta")
    try:
        with torch.no_grad():
            deepcopy(net).to("meta").train()(example)
    except ValueError as error:
        inputs = f"{spec.kind} of {tuple(example.shape[1:])}"
        raise UserError(f"the network cannot train on batches of {batch}+ {inputs}: {error}") from error


def _macs(net: nn.Module, spec: Spec) -> int:
    return multiply_adds(net, partial(spec.example, device="meta"))


def _staged(net: nn.Module, config: Config, spec: Spec) -> Staged:
    staged = Staged(net, spec.example(2))
    needed = staged.count * config["epochs_per_layer"]
    if config["max_epochs"] < needed and not is_debug(config):
        raise UserError(
            f"max_epochs={config['max_epochs']}: layer_by_layer trains {staged.count} stages for "
            f"epochs_per_layer={config['epochs_per_layer']} each, so it needs max_epochs >= {needed}"
        )
    staged.select(0)
    return staged


def make_task(net: nn.Module, config: Config, spec: Spec) -> Task:
    """Make the task of a config, with what its parameters ask for: keys of its own, flat knobs, numbers of the data."""
    node = dict(config["task"])
    name = node.pop("name")
    if name not in Task.registry:
        raise UserError(f"task={name}: unknown task; expected one of {', '.join(Task.registry)}")
    if config["compile"]:
        net.compile()
    if (only := getattr(net, "task", name)) != name:
        model = f"model_name={config['choices']['model_name']}"
        raise UserError(f"task={name}: cannot train {model}, which is for task={only}; choose another model")
    parameters = _parameters(Task.registry[name])
    known = {**spec.offers(), **config, **node, "net": net}
    known["make_optimizers"] = carried(_optimizers(net, config))
    functions = config["functions"]
    known |= {"objective": Smoothness(functions["smoothness"])} if functions["smoothness"] else {}
    known |= {"decay_by_degree": functions["decay_by_degree"], "ema_decay": config["ema"]["decay"]}
    known["test_flip"] = config["measure"]["test_flip"]
    known["create_graph"] = config["optimizer"].get("create_graph", False)
    missing = [key for key, each in parameters.items() if each.default is Parameter.empty and key not in known]
    if missing:
        data = f"dataset={config['choices']['dataset']} is {spec.kind}"
        raise UserError(f"task={name}: needs {', '.join(missing)}, and {data}; choose another task")
    return Task.registry[name](**{key: known[key] for key in parameters if key in known})


def _optimizers(net: nn.Module, config: Config) -> MakeOptimizers:
    """Give what makes the optimizer and its schedule, at the rates that parts of the network have of their own."""
    return partial(make_optimizers, config, rates=rates(net, config))


def _parameters(task: type[Task]) -> dict[str, Parameter]:
    """Give the parameters of a task, with those of the classes that it passes the rest on to."""
    found: dict[str, Parameter] = {}
    for cls in reversed(task.__mro__):
        if issubclass(cls, Task):
            found |= signature(cls.__init__).parameters
    several = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    return {key: each for key, each in found.items() if key != "self" and each.kind not in several}


def refined_experiment(experiment: Experiment, config: Config, epoch: int) -> Experiment:
    """Bring an experiment's network to an epoch, in place, and count parameters and multiply-adds again."""
    if target_at(config, epoch) is None:
        return experiment
    net = experiment.net
    refined_to(experiment.task, config, epoch)
    report = replace(
        experiment.report,
        parameters_after=count_parameters(net),
        parameters_reduced=count_reduced_parameters(net),
    )
    return replace(experiment, report=report, macs=_macs(net, experiment.data.spec))
