"""What a network is trained to do: one LightningModule a task."""

from .autoencoding import Autoencoding, VariationalAutoencoding
from .base import Objective, Outcome, Task
from .burgers import Burgers
from .classification import Classification
from .implicit_image import ImplicitImage
from .language import LanguageModelling
from .regression import Regression

__all__ = [
    "Autoencoding",
    "Burgers",
    "Classification",
    "ImplicitImage",
    "LanguageModelling",
    "Objective",
    "Outcome",
    "Regression",
    "Task",
    "VariationalAutoencoding",
]
