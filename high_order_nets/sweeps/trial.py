"""One trial of a search: a run in a process of its own, watched from outside."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ..files import write_json
from ..run.folder import metrics_of
from ..run.history import read_history
from ..run.layout import HISTORY, METRICS, TRIAL_LOG

_PATIENCE = 60.0  # seconds in which a run may save before it is killed


class TrialProcess:
    """Start `high-order-nets train …` into the folder; what it says goes to trial.log there."""

    def __init__(self, command: Sequence[str], folder: Path, workers: int) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / TRIAL_LOG).open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "high_order_nets", *command, f"run_dir={folder}"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=_environment(workers),
                preexec_fn=_ending_with_us(),  # noqa: PLW1509 - one call into C, looked up before the fork
            )

    def has_ended(self) -> bool:
        """Return whether the process is over."""
        return self._process.poll() is not None

    def epochs(self) -> list[dict[str, float]]:
        """Return the figures of the epochs so far."""
        return read_history(self._folder / HISTORY)

    def stop(self) -> None:
        """Ask the process to end, and wait until it has."""
        self._process.terminate()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def prune(self) -> None:
        """Stop the process and say so in metrics.json, unless it finished meanwhile."""
        self.stop()
        metrics = metrics_of(self._folder)
        if metrics.get("status") != "finished":
            pruned = {"status": "pruned", "epochs": len(self.epochs())}
            write_json(self._folder / METRICS, {key: metrics[key] for key in metrics if key != "error"} | pruned)

    def metrics(self) -> dict[str, Any]:
        """Return the metrics of the run that is over; one that left none has failed, and metrics.json then says so."""
        metrics = metrics_of(self._folder)
        if "status" not in metrics:
            reason = f"ended with status {self._process.returncode}, see {self._folder / TRIAL_LOG}"
            metrics = {"status": "failed", "error": reason}
            write_json(self._folder / METRICS, metrics)
        return metrics


def _ending_with_us() -> Callable[[], Any] | None:
    """Have the system send a new process SIGTERM, upon which it saves, when this one dies, even by kill -9."""
    if sys.platform != "linux":
        return None
    set_parent_death_signal = 1  # PR_SET_PDEATHSIG of <sys/prctl.h>
    return partial(ctypes.CDLL(None).prctl, set_parent_death_signal, signal.SIGTERM)


def _environment(workers: int) -> dict[str, str]:
    """Share the cores out among the workers, unless someone has said how many threads there may be."""
    threads = str(max(1, (os.cpu_count() or 1) // workers))
    return {"OMP_NUM_THREADS": threads} | dict(os.environ)
