"""Who has started this process beside others like it, torchrun or SLURM, and which of them it is: no torch."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

PAGE = "docs/many_machines.md"
"""Where it is said how to start them."""


@dataclass(frozen=True)
class Started:
    """Hold what the surroundings say: who has started how many processes, and the number of this one among them."""

    by: str
    rank: int
    processes: int
    nodes: int

    @property
    def devices(self) -> int:
        """Count the processes of a machine, one a device."""
        return self.processes // self.nodes


def started(variables: Mapping[str, str] = os.environ) -> Started | None:
    """Read who has started this process; None where it is alone.

    Of a step of SLURM's: in a batch script, which has the variables of its job too, nothing has been started yet.
    """
    if "TORCHELASTIC_RUN_ID" in variables:
        rank, count, local = (int(variables[key]) for key in ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"))
        found = Started("torchrun", rank, count, count // local)
    elif "SLURM_STEP_NUM_TASKS" in variables:
        keys = ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_STEP_NUM_NODES")
        found = Started("SLURM", *(int(variables[key]) for key in keys))
    else:
        return None
    return found if found.processes > 1 else None


def is_first() -> bool:
    """Return whether this process is the one that writes: the only one, or the first of those started with it."""
    found = started()
    return found is None or found.rank == 0
