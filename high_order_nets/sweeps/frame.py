"""Runs as a table of pandas, for those who make their own pictures and figures."""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UserError, show
from ..run.folder import Run, read
from ..settings import deciding, flat

if TYPE_CHECKING:
    from pandas import DataFrame


def runs(*folders: str | Path) -> "DataFrame":
    """Give all runs at or below the folders, a row each: folder, status, what differs, and what was measured.

    Columns are the choices and knobs that differ between these runs and may decide the result (`layer_type`, `n`,
    `seed`, `optimizer.momentum`; None where a run has no such knob), then everything in their metrics.json under its
    own name, shares as parts of 1. Raises UserError for a folder that is not there, and without pandas.
    """
    try:
        pandas: Any = import_module("pandas")
    except ImportError as error:
        raise UserError("runs: makes a table of pandas, which is not installed: pip install pandas") from error
    found = read([Path(folder).expanduser() for folder in folders])
    settings = [_settings(run) for run in found]
    keys = [key for key in dict.fromkeys(key for each in settings for key in each) if _differs(settings, key)]
    rows = [
        {"folder": str(run.folder), "status": run.status} | {key: each.get(key) for key in keys} | run.metrics
        for run, each in zip(found, settings, strict=True)
    ]
    return pandas.DataFrame(rows)


def _settings(run: Run) -> dict[str, Any]:
    """Give the choices of a run, by group, and its other knobs, by dotted name."""
    config = deciding(run.config)
    choices = config.pop("choices", {})
    return choices | {key: value for key, value in flat(config).items() if "_target_" not in key}


def _differs(settings: list[dict[str, Any]], key: str) -> bool:
    return len({show(each.get(key)) for each in settings}) > 1
