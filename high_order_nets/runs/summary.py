"""A run's figures on disk and on the terminal."""

import shlex
from pathlib import Path
from typing import Any

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
    if "tested" in figures:
        table.add_row("tested weights", tested_weights(figures))
    for key, label, form in ROWS:
        if key in figures:
            table.add_row(label, form.format(figures[key]))
    console.print(table)
    typed = shlex.quote(str(path))
    if path.is_dir():
        console.print(f"folder: {typed}", highlight=False)
        console.print(f"curves: tensorboard --logdir {typed}", highlight=False)
    else:
        console.print(f"checkpoint: {typed}", highlight=False)


def tested_weights(figures: dict[str, Any]) -> str:
    """Say which weights the test figures are of: 'best by validation, after epoch 7'."""
    words = {"best": "best by validation", "last": "last"}
    after = f", after epoch {figures['tested_epoch']}" if "tested_epoch" in figures else ""
    return words.get(figures["tested"], str(figures["tested"])) + after
