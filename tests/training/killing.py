"""Kills processes that train, or that only save, at random moments; run as a program.

One process that has imported everything forks the ones that are killed: a fork from pytest itself would inherit torch's
threads in an unknown state.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from high_order_nets.run.checkpoints import read_checkpoint
from high_order_nets.training import run
from high_order_nets.training.checkpoint_io import WholeFiles
from tests.training.crashes import assert_equal, results


def forked(work: Callable[[], Any]) -> int:
    """Do the work in a child process without output; return its id."""
    child = os.fork()
    if child:
        return child
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    status = 1
    try:
        work()
        status = 0
    finally:
        os._exit(status)


def killed_runs(config: dict[str, Any], folder: Path, kills: int) -> dict[str, Any]:
    """Kill so many runs, each at a random moment, resume each, and compare all with one that was left alone."""
    began = time.perf_counter()
    assert os.waitpid(forked(lambda: run.train(config, folder / "alone")), 0)[1] == 0
    duration = time.perf_counter() - began
    alone, steps = results(folder / "alone"), []
    for number in range(kills):
        killed = folder / f"killed{number}"
        child = forked(lambda killed=killed: run.train(config, killed))
        time.sleep(random.uniform(0, duration))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        last = killed / "checkpoints" / "last.ckpt"
        steps.append(read_checkpoint(last)["global_step"] if last.exists() else 0)
        assert os.waitpid(forked(lambda killed=killed: run.train(config, killed)), 0)[1] == 0
        assert_equal(alone, results(killed))
    return {"kills": kills, "seconds_of_a_run": duration, "steps_saved_when_killed": steps}


def killed_saves(folder: Path, kills: int) -> dict[str, Any]:
    """Kill so many processes that do nothing but save, and read every checkpoint they left."""
    path, read, between = folder / "checkpoints" / "last.ckpt", 0, 0
    for _ in range(kills):
        ready, saved = os.pipe()
        child = forked(lambda saved=saved: _save_forever(path, saved))
        os.read(ready, 1)  # it is saving
        time.sleep(random.uniform(0, 0.1))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(ready)
        os.close(saved)
        for left in path.parent.glob("*.ckpt"):
            tensor = read_checkpoint(left)["state_dict"]["weight"]
            assert tensor.eq(tensor[0]).all()
            read += 1
        assert path.exists() or path.with_name("previous.ckpt").exists()
        between += not path.exists()
    return {"kills": kills, "read": read, "killed_between_two_renames": between}


def _save_forever(path: Path, saved: int) -> None:
    number = 0.0
    while True:
        WholeFiles().save_checkpoint({"state_dict": {"weight": torch.full((300_000,), number)}, "config": {}}, path)
        number += 1
        os.write(saved, b".")


if __name__ == "__main__":
    what, place, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(1)
    random.seed(count)
    found = killed_saves(place, count) if what == "saves" else killed_runs(json.load(sys.stdin), place, count)
    sys.stdout.write(json.dumps(found))
