"""Tiny data, and runs on it through the same config that the command line makes."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file


def write_images(root: Path, name: str, classes: int, channels: int, size: int, count: int = 96) -> None:
    """Write a prepared data set of noise whose brightness tells the class."""
    labels = torch.arange(count + 32) % classes
    noise = torch.randint(0, 100, (count + 32, channels, size, size))
    images = (noise + (labels * 150 // classes)[:, None, None, None]).to(torch.uint8)
    tensors = {
        "train_images": images[:count].clone(),
        "train_labels": labels[:count].clone(),
        "test_images": images[count:].clone(),
        "test_labels": labels[count:].clone(),
    }
    metadata = {"dataset": name, "classes": json.dumps([str(label) for label in range(classes)])}
    save_file(tensors, root / f"{name}.safetensors", metadata)


def composed(*words: str) -> dict[str, Any]:
    """Give the config of a command line that is one run."""
    compose, overrides = (import_module(f"high_order_nets.config.{name}") for name in ("compose", "overrides"))
    (job,) = compose.plan(overrides.parse(list(words))).jobs
    return job | {"command": "test"}


def train_in(config: dict[str, Any], folder: Path) -> float:
    """Train; what trains is imported late, for most tests do without Lightning."""
    return import_module("high_order_nets.training.run").train(config, folder)
