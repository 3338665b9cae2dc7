"""What a network is trained to do: one LightningModule a task."""

from .base import Objective, Outcome, Task
from .classification import Classification
from .implicit_image import ImplicitImage
from .language import LanguageModelling
from .regression import Regression

__all__ = ["Classification", "ImplicitImage", "LanguageModelling", "Objective", "Outcome", "Regression", "Task"]
