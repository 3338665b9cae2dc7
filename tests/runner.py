"""The command line without its training: `run.train` and `run.test` are replaced by ones that only remember."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from high_order_nets.errors import Diverged, UserError

FAILURES: dict[int, Exception] = {
    70: Diverged("loss is nan at step 7"),
    71: UserError("dataset=mnist: no data"),
    72: ValueError("a bug"),
}


class Runner(ModuleType):
    """Stand in for `training.run`: seeds 70 to 72 fail, each in its own way."""

    def __init__(self) -> None:
        super().__init__("high_order_nets.training.run")
        self.configs: list[dict[str, Any]] = []
        self.folders: list[Path] = []
        self.tested: list[Path] = []

    def train(self, config: dict[str, Any], folder: Path) -> float:
        self.configs.append(config)
        self.folders.append(folder)
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        if error := FAILURES.get(config["seed"]):
            raise error
        metrics = {"test_acc": 0.5, "test_acc5": 0.75, "parameters": 1234567, "seconds": 1.25, "status": "finished"}
        (folder / "metrics.json").write_text(json.dumps(metrics))
        return 0.5

    def test(self, checkpoint: Path, out: Path | None = None, *, each: bool = False, flip: bool = False) -> float:
        self.tested.append(checkpoint)
        return 0.5
