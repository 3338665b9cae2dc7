"""Train and study networks whose every connection is a small function."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cli.python import train as train
    from .conversion.align import align as align
    from .conversion.convert import convert as convert
    from .conversion.interval import update_interval as update_interval
    from .conversion.refine import coarsen as coarsen
    from .conversion.refine import refine as refine
    from .inference.load import load as load
    from .sweeps.frame import runs as runs
    from .tasks.fit import fit as fit

__version__ = "0.1.0"
_LAZY = {
    "align": "high_order_nets.conversion.align",
    "convert": "high_order_nets.conversion.convert",
    "coarsen": "high_order_nets.conversion.refine",
    "refine": "high_order_nets.conversion.refine",
    "update_interval": "high_order_nets.conversion.interval",
    "fit": "high_order_nets.tasks.fit",
    "load": "high_order_nets.inference.load",
    "runs": "high_order_nets.sweeps.frame",
    "train": "high_order_nets.cli.python",
}
__all__ = ["align", "coarsen", "convert", "fit", "load", "refine", "runs", "train", "update_interval"]


def __dir__() -> list[str]:
    return [name for name in globals() if name.startswith("__")] + list(_LAZY)


def __getattr__(name: str) -> Any:
    """Import the public functions on first use: `--help` must not wait for torch."""
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
