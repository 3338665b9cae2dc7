"""Who has started a process, as torchrun and SLURM say it."""

import pytest

from high_order_nets.processes import Started, started

TORCHRUN = {"TORCHELASTIC_RUN_ID": "none", "RANK": "5", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4", "LOCAL_RANK": "1"}
STEP = {"SLURM_STEP_NUM_TASKS": "6", "SLURM_STEP_NUM_NODES": "2", "SLURM_PROCID": "3"}
BATCH_SCRIPT = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "6", "SLURM_NNODES": "2", "SLURM_PROCID": "0"}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, None),
        (TORCHRUN, Started("torchrun", 5, 8, 2)),
        (TORCHRUN | {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1"}, None),
        (BATCH_SCRIPT | STEP, Started("SLURM", 3, 6, 2)),
        (BATCH_SCRIPT, None),  # which has started nothing yet
        (STEP | {"SLURM_STEP_NUM_TASKS": "1", "SLURM_STEP_NUM_NODES": "1"}, None),  # as submitit's jobs
        (STEP | TORCHRUN, Started("torchrun", 5, 8, 2)),  # which srun has started on each machine
    ],
)
def test_who_has_started_it(variables: dict[str, str], expected: Started | None) -> None:
    assert started(variables) == expected


def test_a_machine_has_a_process_a_device() -> None:
    assert Started("torchrun", 0, 8, 2).devices == 4
