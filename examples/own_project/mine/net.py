"""A network and a loss."""

from torch import Tensor, nn


class Net(nn.Module):
    """Two convolutions, a ReLU behind each, and a head on the mean over the image: (batch, channels, S, S) → classes.

    What the data decide is asked for by name: `channels`, `num_classes`, `image_size`; the other parameters are keys.
    """

    def __init__(self, channels: int, num_classes: int, hidden: int = 12, dropout: float = 0.0):
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv2d(channels, hidden, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(hidden, hidden, 3, stride=2, padding=1), nn.ReLU()),
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Give logits."""
        return self.head(self.dropout(self.features(images).mean((2, 3))))


def focal(outputs: Tensor, targets: Tensor, gamma: float = 2.0) -> Tensor:
    """-(1 - p)^gamma log p of the true class, mean over the batch (Lin et al., 2017)."""
    log_p = outputs.log_softmax(1).gather(1, targets[:, None]).squeeze(1)
    return -((1 - log_p.exp()) ** gamma * log_p).mean()
