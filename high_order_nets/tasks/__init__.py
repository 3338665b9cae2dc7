"""What a network is trained to do: one LightningModule a task."""

from .base import Objective, Outcome, Task
from .classification import Classification

__all__ = ["Classification", "Objective", "Outcome", "Task"]
