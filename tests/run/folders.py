"""What a run leaves in its folder."""

import json
from pathlib import Path
from typing import Any

import torch
import yaml

CONFIG: dict[str, Any] = {"n": 3, "max_epochs": 4, "resume": "auto", "scheduler": {"name": "none"}, "choices": {}}


def write(folder: Path, config: Any = None, metrics: Any = None, hydra: dict[str, Any] | None = None) -> Path:
    """Write what a run leaves."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (("config.yaml", config), ("metrics.json", metrics)):
        if content is not None:
            dump = yaml.safe_dump if name == "config.yaml" else json.dumps
            (folder / name).write_text(dump(content), encoding="utf-8")
    if hydra is not None:
        (folder / ".hydra").mkdir()
        (folder / ".hydra" / "config.yaml").write_text("{}")
        (folder / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(hydra["overrides"]))
        (folder / ".hydra" / "hydra.yaml").write_text(yaml.safe_dump({"hydra": {"job": {"num": hydra["num"]}}}))
    return folder


def checkpoint(path: Path, step: int, **content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {"state_dict": {}, "config": CONFIG, "progress": {}, "global_step": step, "epoch": step // 5}
    torch.save(whole | {"figures": {"val_acc": step / 100}} | content, path)
    return path
