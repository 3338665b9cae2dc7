"""Under which names figures are logged: in groups, whatever the logger."""

import re
from collections.abc import Mapping
from typing import Any

from ...metrics import headline, is_speed, reported, split

STRAIGHT = ("epoch", "epochs", "seconds")
"""Figures that grow by the same amount every epoch: nothing to see."""
RATES = {None: "train/learning_rate", "pg1": "train/learning_rate", "weights": "train/learning_rate"}
RATES |= {"functions": "train/learning_rate_of_functions"}
"""The tags of learning rates by group, nameless in 0.1; those of other groups rise and fall with that of weights."""


def tag(name: str) -> str | None:
    """Return the tag of a logged figure, `val/acc` of val_acc; None for one that is not drawn."""
    if name in STRAIGHT:
        return None
    if is_speed(name) or name == "seconds_per_epoch":
        return f"speed/{name}"
    if rate := re.fullmatch(r"lr-\w+?(?:/(\w+)(?:/(.+))?)?", name):
        found, part = RATES.get(rate[1]), re.sub(r"[^-.\w]", "_", rate[2] or "")
        return f"{found}_of_{part}" if found and part else found
    part, figure = split(name)
    return f"{part}/{figure.removesuffix('_epoch')}" if part else name


def tagged(figures: Mapping[str, float]) -> dict[str, float]:
    """Return the figures that are drawn, by their tags."""
    return {found: value for name, value in figures.items() if (found := tag(name))}


def results(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures that a finished run is judged by, and its speed, by their tags."""
    names = [*reported(figures, [headline(figures)]), *filter(is_speed, figures)]
    return tagged({name: figures[name] for name in names if name in figures})


def sizes(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the network costs."""
    return {name: figures[name] for name in ("parameters", "macs") if name in figures}
