"""kill -9 at random moments, of whole runs and of saving; figures of the long forms: results/reliability.md."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SHORT = ("model_name=simple", "dataset=digits", "train_fraction=0.3", "batch_size=32", "val_fraction=0.2")
OTHER_FILE_SYSTEM = Path("/dev/shm")


def kill(what: str, folder: Path, count: int, config: dict[str, Any] | None = None) -> dict[str, Any]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    if OTHER_FILE_SYSTEM.is_dir():
        environment["TMPDIR"] = str(OTHER_FILE_SYSTEM)
    argv = [sys.executable, "-m", "tests.training.killing", what, str(folder), str(count)]
    done = subprocess.run(
        argv, input=json.dumps(config), capture_output=True, text=True, cwd=ROOT, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    sys.stdout.write(f"{what}: {found}\n")
    return found


@pytest.mark.parametrize("kills", [1, pytest.param(20, marks=pytest.mark.slow)])
@pytest.mark.timeout(900)
def test_killed_runs_end_with_the_same_bits(
    kills: int, settings: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    config = settings(*SHORT, f"max_epochs={2 if kills == 1 else 20}", "checkpoint.every_n_steps=3")
    assert kill("runs", tmp_path, kills, config)["kills"] == kills


@pytest.mark.parametrize("kills", [10, pytest.param(200, marks=pytest.mark.slow)])
def test_a_killed_save_leaves_no_unreadable_checkpoint(kills: int, tmp_path: Path) -> None:
    assert kill("saves", tmp_path, kills)["read"] >= kills
