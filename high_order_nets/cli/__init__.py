"""The command line: `main` runs it, `train` runs its train command from a script."""

from .dispatch import main, train

__all__ = ["main", "train"]
