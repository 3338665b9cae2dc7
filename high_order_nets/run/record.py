"""What a run says of itself in metrics.json: its figures, how it ended, and what made them."""

import errno
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from .. import __version__
from ..errors import Diverged, Interrupted, UserError
from ..files import write_json
from ..metrics import figures_of
from ..settings import WORDS, Config
from .layout import METRICS

FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def recorded(config: Config, folder: Path) -> Iterator[dict[str, Any]]:
    """Yield what becomes metrics.json when the block ends: `status` finished, diverged, interrupted or failed.

    While the block runs, and if the process is killed, the status is running. A full disk raises UserError.
    """
    started = time.perf_counter()
    record = circumstances(config) | {"status": "running"}
    write_json(folder / METRICS, record)
    try:
        yield record
        _end(folder, record, started, "finished")
    except OSError as error:
        problem = _full_disk(error, folder) if error.errno in FULL else error
        _end(folder, record, started, "failed", problem)
        raise problem from error
    except BaseException as error:
        _end(folder, record, started, status_of(error), error)
        raise


def circumstances(config: Config) -> dict[str, Any]:
    """Say what made the figures: command, time, versions, threads; and what someone says of the run."""
    versions = {"python": platform.python_version(), "high-order-nets": __version__}
    said = {key: config[key] for key in WORDS if config.get(key)}
    return said | {
        "command": config["command"],
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": config["seed"],
        "choices": config["choices"],
        "versions": versions | {name: version(name) for name in ("torch", "torchvision", "pytorch-lightning")},
        "threads": torch.get_num_threads(),
        "cpus": os.cpu_count(),
    }


def tested_of(checkpoint: dict[str, Any], name: str) -> dict[str, Any]:
    """Say which weights a checkpoint of this name holds, of which epoch, with their validation figures."""
    figures = figures_of(checkpoint["figures"]) if isinstance(checkpoint.get("figures"), dict) else {}
    validated = {key: value for key, value in figures.items() if key.startswith("val_")}
    epoch = checkpoint.get("progress", {}).get("epoch")
    return {"tested": name} | ({"tested_epoch": epoch} if isinstance(epoch, int) else {}) | validated


def status_of(error: BaseException) -> str:
    """Return the status of a run that an error has ended."""
    if isinstance(error, Diverged):
        return "diverged"
    return "interrupted" if isinstance(error, Interrupted | KeyboardInterrupt) else "failed"


def _end(folder: Path, record: dict[str, Any], started: float, status: str, error: BaseException | None = None) -> None:
    record |= {"status": status, "total_seconds": time.perf_counter() - started}
    if isinstance(error, Diverged):
        record |= {"error": str(error)} | {"divergence": error.details}
    elif error is not None:
        record["error"] = f"{type(error).__name__}: {error}"
    try:
        write_json(folder / METRICS, record)
    except OSError:
        if error is None:  # else that error says more
            raise


def _full_disk(error: OSError, folder: Path) -> UserError:
    return UserError(
        f"run_dir={folder}: {error.strerror}; the last good checkpoint is still there; make room and run it again"
    )
