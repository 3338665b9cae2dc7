"""The seed's small convolutional network."""

from collections import OrderedDict

from torch import Tensor, nn


class Simple(nn.Module):
    """Two 5×5 convolutions with batch norm, ReLU and pooling, then a linear classifier.

    (batch, 3, height, width) → (batch, classes), for images of at least 4 × 4 pixels.
    """

    scalable_width = True

    def __init__(self, num_classes: int = 10):
        super().__init__()
        self.features = nn.Sequential(
            OrderedDict(
                layer1=nn.Sequential(_block(3, 32), nn.MaxPool2d(2)),
                layer2=nn.Sequential(_block(32, 64), nn.AdaptiveAvgPool2d(1)),
            )
        )
        self.fc = nn.Linear(64, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Classify a batch of images."""
        return self.fc(self.features(x).flatten(1))


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 5, padding=2, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())
