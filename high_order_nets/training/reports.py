"""A run's figures on disk and on the terminal."""

import json
import math
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

ROWS = (
    ("test_acc", "test accuracy, top-1", "{:.2%}"),
    ("test_acc5", "test accuracy, top-5", "{:.2%}"),
    ("test_loss", "test loss", "{:.4f}"),
    ("val_acc", "validation accuracy", "{:.2%}"),
    ("train_acc", "training accuracy (running)", "{:.2%}"),
    ("parameters", "parameters", "{:,}"),
    ("parameters_reduced", "… without redundant constants", "{:,}"),
    ("macs", "multiply-adds an image", "{:,}"),
    ("seconds", "seconds of training", "{:.1f}"),
    ("images_per_second", "images a second", "{:,.0f}"),
)
"""The summary's rows: key in metrics.json, label, format."""


def show_summary(figures: dict[str, Any], path: Path) -> None:
    """Print the figures as a table, then the folder they lie in and how to look at it, or the checkpoint tested."""
    console = Console(soft_wrap=True)
    table = Table(show_header=False)
    for key, label, form in ROWS:
        if key in figures:
            table.add_row(label, form.format(figures[key]))
    console.print(table)
    if path.is_dir():
        console.print(f"folder: {path}", highlight=False)
        console.print(f"curves: tensorboard --logdir {path}", highlight=False)
    else:
        console.print(f"checkpoint: {path}", highlight=False)


def flat(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested settings to dotted names, values as TensorBoard takes them."""
    settings: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict):
            settings |= flat(value, f"{prefix}{key}.")
        else:
            settings[f"{prefix}{key}"] = value if isinstance(value, bool | int | float | str) else str(value)
    return settings


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write the file whole or not at all; a number that JSON does not know (nan, inf) becomes null."""
    known = {
        key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in content.items()
    }
    write_text(path, json.dumps(known, indent=2) + "\n")


def write_yaml(path: Path, content: dict[str, Any]) -> None:
    """Write the file whole or not at all."""
    write_text(path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def write_text(path: Path, text: str) -> None:
    """Write the file whole or not at all."""
    partial = path.with_name(path.name + ".part")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
