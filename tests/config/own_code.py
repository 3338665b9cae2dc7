"""A module of one's own, as tests write it into a folder."""

SOURCE = '''
from dataclasses import dataclass

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from high_order_nets.basis import Basis
from high_order_nets.data.images.module import ImageDataModule, ImageSettings
from high_order_nets.data.images.tensors import ImageData
from high_order_nets.data.points.tables import Points


class Net(nn.Module):
    def __init__(self, num_classes: int, channels: int, hidden: int = 6, dropout: float = 0.0, act=nn.ReLU):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(channels, hidden, 3), act(), nn.Conv2d(hidden, hidden, 3), act())
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, num_classes)

    def forward(self, x):
        return self.head(self.dropout(self.features(x).mean((2, 3))))


def build(num_classes: int, channels: int, depth: int) -> nn.Module:
    return Net(num_classes, channels, hidden=depth)


def unsaid(num_classes, channels):
    return Net(num_classes, channels)


class Fixed(nn.Module):
    def __init__(self, outputs: int = 7):
        super().__init__()
        self.fc = nn.Linear(64, outputs)

    def forward(self, x):
        return self.fc(x.flatten(1))


def focal(outputs, targets, gamma: float = 2.0):
    log_p = outputs.log_softmax(1).gather(1, targets[:, None])[:, 0]
    return -((1 - log_p.exp()) ** gamma * log_p).mean()


def per_item(outputs, targets):
    return nn.functional.cross_entropy(outputs, targets, reduction="none")


class Weighted(nn.Module):
    def __init__(self, first: float = 2.0):
        super().__init__()
        self.register_buffer("weights", torch.tensor([first] + [1.0] * 9))

    def forward(self, outputs, targets):
        return nn.functional.cross_entropy(outputs, targets, self.weights)


class Learned(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, outputs, targets):
        return self.scale * nn.functional.cross_entropy(outputs, targets)


class Ema(pl.Callback):
    """The mean of a weight over the steps, which decides nothing but must go on."""

    def __init__(self, decay: float = 0.9):
        self.decay, self.mean = decay, 0.0

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        first = next(pl_module.net.parameters()).flatten()[0].item()
        self.mean = self.decay * self.mean + (1 - self.decay) * first

    def state_dict(self):
        return {"mean": self.mean}

    def load_state_dict(self, state):
        self.mean = state["mean"]


class Descent(torch.optim.SGD):
    def __init__(self, params, lr: float = 0.05, momentum: float = 0.9, weight_decay: float = 0.01):
        super().__init__(params, lr=lr, momentum=momentum, weight_decay=weight_decay)


@dataclass(frozen=True)
class Cube(Basis):
    length: float = 2.0
    power: int = 3

    @property
    def weights(self):
        return 2

    def terms(self, x):
        return [x, x**self.power]

    def pullback(self, x, terms, grads):
        return grads[0] + self.power * x ** (self.power - 1) * grads[1]

    def make_transform(self):
        return torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)

    def line(self):
        return torch.tensor([1.0, 0.0], dtype=torch.float64)


def lamps(count: int = 90, dark: int = 0) -> ImageData:
    labels = torch.arange(count) % 10
    images = (labels * 20 + dark).to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 8, 8).contiguous()
    return ImageData("lamps", tuple("0123456789"), images, labels, images[:30], labels[:30])


def bad_lamps() -> ImageData:
    made = lamps()
    return ImageData("lamps", ("off", "on"), made.train_images, made.train_labels, made.test_images, made.test_labels)


def plane(count: int = 80, seed: int = 1) -> Points:
    x = torch.rand(count, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return Points(("a", "b"), ("s",), x, x.sum(1, keepdim=True), x[:20], x[:20].sum(1, keepdim=True))


class Lamps(ImageDataModule):
    kind = "images"

    def __init__(self, batch_size: int, seed: int, count: int = 90):
        super().__init__(lamps(count), ImageSettings(batch_size=batch_size, seed=seed))
'''
