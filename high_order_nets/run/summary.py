"""A run's figures on the terminal."""

import shlex
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ..metrics import COSTS, headline, is_speed, label, metric, reported, telling
from .layout import TENSORBOARD


def show_summary(figures: dict[str, Any], path: Path) -> None:
    """Print the figures as a table, then the folder they lie in and how to look at it, or the checkpoint tested."""
    console = Console(soft_wrap=True)
    table = Table(show_header=False)
    if "tested" in figures:
        table.add_row("tested weights", tested_weights(figures))
    for key in _shown(figures):
        running = " (running)" if key.startswith("train_") else ""
        table.add_row(label(key) + running, metric(key).form.format(figures[key]))
    console.print(table)
    typed = shlex.quote(str(path))
    if path.is_dir():
        console.print(f"folder: {typed}", highlight=False)
        if (path / TENSORBOARD).is_dir():
            console.print(f"curves: tensorboard --logdir {typed}", highlight=False)
    else:
        console.print(f"checkpoint: {typed}", highlight=False)


def tested_weights(figures: dict[str, Any]) -> str:
    """Say which weights the test figures are of: 'best by validation, after epoch 7'."""
    words = {"best": "best by validation", "last": "last"}
    after = f", after epoch {figures['tested_epoch']}" if "tested_epoch" in figures else ""
    return words.get(figures["tested"], str(figures["tested"])) + after


def _shown(figures: dict[str, Any]) -> list[str]:
    """Choose among the figures; beside a headline, the loss of the test alone, and of other ways the headline."""
    name = headline(figures)
    beside = [] if name == "loss" else ["val_loss", "train_loss"]
    chosen = [key for key in telling(reported(figures, [name]), [name]) if key not in beside]
    return [key for key in (*chosen, *COSTS, *filter(is_speed, figures)) if key in figures]
