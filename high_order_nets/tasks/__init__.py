"""What a network is trained to do: one LightningModule a task."""

from .classification import Classification

__all__ = ["Classification"]
