"""Runs for tables: made up, and as folders."""

import json
from pathlib import Path
from typing import Any

from high_order_nets.run.folder import Run
from high_order_nets.sweeps import table

FIGURES = {"test_acc": 0.5, "test_acc5": 0.75, "val_acc": 0.25, "parameters": 1234, "macs": 56789, "seconds": 1234.56}


def make(name: str = "0", status: str = "finished", **config: Any) -> Run:
    """Give a run of the two settings; a metric, or another knob, by its name."""
    choices = {"layer_type": config.pop("layer_type", "standard")}
    metrics: dict[str, Any] = {"status": status} | (FIGURES if status == "finished" else {"error": "why"})
    metrics |= config.pop("metrics", {})
    return Run(Path(name), {"choices": choices, "n": 2, "seed": 1} | config, ("layer_type", "n"), metrics)


def two() -> list[table.Row]:
    better = FIGURES | {"test_acc": 0.625, "parameters": 2345}
    return table.group([make("0"), make("1", layer_type="fourier2d", n=3, metrics=better)])


def leave(folder: Path, number: int, config: dict[str, Any], **metrics: Any) -> None:
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "hydra.yaml").write_text(json.dumps({"hydra": {"job": {"num": number}}}))
    (folder / "config.yaml").write_text(json.dumps(config))
    (folder / "metrics.json").write_text(json.dumps(metrics))
