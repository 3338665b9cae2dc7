"""Training as one of several processes that torchrun or SLURM has started: nothing is spawned then."""

import re
from typing import Any

import torch
from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from pytorch_lightning.strategies import ModelParallelStrategy

from ..errors import UserError
from ..processes import PAGE, Started, started
from ..settings import Config, is_shared_out


def check_started(config: Config) -> None:
    """Refuse a place of other machines or processes than those that have been started."""
    place, found = config["trainer"], started()
    if found is None:
        if place["num_nodes"] not in (1, "auto"):
            raise UserError(
                f"trainer.num_nodes={place['num_nodes']}: a program starts no other on another machine; start it on "
                f"each by torchrun or srun: {PAGE}"
            )
        return
    there = f"{found.by} has started {found.processes} processes on {found.nodes} machines"
    if found.processes % found.nodes:
        raise UserError(f"{there}: expected as many on each")
    for key, count in (("num_nodes", found.nodes), ("devices", found.devices)):
        if place[key] not in (count, "auto"):
            raise UserError(f"trainer.{key}={place[key]}: {there}; take trainer.{key}={count} or auto")
    if config["layer_by_layer"]:
        raise UserError(f"layer_by_layer=true: frozen stages do not go with several processes, and {there}")


def check_gpus(config: Config) -> None:
    """Refuse to share a network out among GPUs where there are none, or no process for each."""
    if not is_shared_out(config):
        return
    if config["trainer"]["accelerator"] == "cpu" or not torch.cuda.is_available():
        raise UserError("trainer=fsdp: shares a network out among GPUs, and there is none here; take trainer=ddp")
    if started() is None:
        raise UserError(f"trainer=fsdp: needs a process for each GPU, started by torchrun or srun: {PAGE}")


def among(found: Started, strategy: str) -> dict[str, Any]:
    """Return where a process trains that was started with others: on one device of its machine."""
    place: dict[str, Any] = {"devices": found.devices, "num_nodes": found.nodes}
    if strategy == "fsdp":
        return place | {"strategy": ModelParallelStrategy(found.processes, 1, save_distributed_checkpoint=False)}
    return place | {"strategy": "ddp" if strategy == "auto" else re.sub("_(spawn|fork|notebook)", "", strategy)}


def environment() -> ClusterEnvironment:
    """Return where Lightning reads the process's number; left alone, it takes a batch script of SLURM's for a step."""
    found = started()
    try:
        return ENVIRONMENTS[found.by]() if found else LightningEnvironment()
    except RuntimeError as error:  # SLURM's variables contradict each other
        raise UserError(" ".join(str(error).split())) from error


ENVIRONMENTS = {"torchrun": TorchElasticEnvironment, "SLURM": lambda: SLURMEnvironment(auto_requeue=False)}
