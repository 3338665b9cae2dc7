"""What a network is trained to do: one LightningModule a task."""

from .autoencoding import Autoencoding, VariationalAutoencoding
from .base import Objective, Outcome, Task
from .classification import Classification
from .language import LanguageModelling
from .regression import Regression

__all__ = [
    "Autoencoding",
    "Classification",
    "LanguageModelling",
    "Objective",
    "Outcome",
    "Regression",
    "Task",
    "VariationalAutoencoding",
]
