"""Image classification."""

from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy

from ..errors import Diverged
from ..layers import HighOrderLayer

Batch = tuple[Tensor, Tensor]
"""Images (batch, channels, height, width) and labels (batch,)."""


def cross_entropy(logits: Tensor, labels: Tensor, label_smoothing: float) -> Tensor:
    """-Σ_c p_c log softmax(logits)_c, mean over the batch."""
    return F.cross_entropy(logits, labels, label_smoothing=label_smoothing)


def mse(logits: Tensor, labels: Tensor, label_smoothing: float) -> Tensor:
    """Squared distance of the logits to the one-hot labels, mean over batch and classes."""
    del label_smoothing
    return F.mse_loss(logits, F.one_hot(labels, logits.shape[1]).to(logits.dtype))


LOSSES: dict[str, Callable[[Tensor, Tensor, float], Tensor]] = {"cross_entropy": cross_entropy, "mse": mse}


class Classification(pl.LightningModule):
    """Train a classifier and log loss, top-1 and top-5 accuracy of each split.

    make_optimizers gets this module and the number of steps, and returns what `configure_optimizers` may. Evaluation
    losses are without label smoothing. A non-finite loss raises Diverged at that step.
    """

    def __init__(
        self,
        net: nn.Module,
        classes: int,
        make_optimizers: Callable[[nn.Module, int], Any],
        *,
        loss: str = "cross_entropy",
        label_smoothing: float = 0.0,
        clamp_weights: float | None = None,
        create_graph: bool = False,
        channels_last: bool = False,
    ):
        super().__init__()
        self.net = net
        self._make_optimizers = make_optimizers
        self._loss, self._smoothing = LOSSES[loss], label_smoothing
        self._clamp, self._create_graph = clamp_weights, create_graph
        self._memory_format = torch.channels_last if channels_last else torch.contiguous_format
        accuracies = MetricCollection(
            {
                "acc": MulticlassAccuracy(classes, average="micro"),
                "acc5": MulticlassAccuracy(classes, top_k=min(5, classes), average="micro"),
            }
        )
        self.accuracies = nn.ModuleDict(
            {f"{split}_": accuracies.clone(f"{split}_") for split in ("train", "val", "test")}
        )

    def forward(self, images: Tensor) -> Tensor:
        """(batch, channels, height, width) → logits (batch, classes)."""
        return self.net(images.to(self.dtype).contiguous(memory_format=self._memory_format))

    def training_step(self, batch: Batch) -> Tensor:
        """Give the loss of a batch."""
        return self._evaluate("train", batch, self._smoothing)

    def validation_step(self, batch: Batch) -> None:
        """Log the validation figures."""
        self._evaluate("val", batch)

    def test_step(self, batch: Batch) -> None:
        """Log the test figures."""
        self._evaluate("test", batch)

    def _evaluate(self, split: str, batch: Batch, smoothing: float = 0.0) -> Tensor:
        images, labels = batch
        logits = self(images)
        loss = self._loss(logits, labels, smoothing)
        if not torch.isfinite(loss):
            raise Diverged(
                f"the {split} loss is {loss.item()} at step {self.global_step} (epoch {self.current_epoch}); "
                "a smaller learning_rate, a gradient_clip_val or domain=tanh may help"
            )
        accuracies = self.accuracies[f"{split}_"]
        accuracies.update(logits.detach(), labels)  # type: ignore[operator]
        training = split == "train"
        shared = {"batch_size": len(labels), "on_epoch": True, "sync_dist": True}
        self.log(f"{split}_loss", loss, on_step=training, prog_bar=training, **shared)
        self.log_dict(accuracies, on_step=False, prog_bar=True, batch_size=len(labels), on_epoch=True)  # type: ignore[arg-type]
        return loss

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Keep the graph of the gradient for optimizers that differentiate it again."""
        if self._create_graph:
            kwargs["create_graph"] = True
        super().backward(loss, *args, **kwargs)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Clamp the weights of the high-order layers where asked for."""
        if self._clamp is None:
            return
        with torch.no_grad():
            for module in self.net.modules():
                if isinstance(module, HighOrderLayer):
                    module.weight.clamp_(-self._clamp, self._clamp)

    def configure_optimizers(self) -> Any:
        """Make the optimizer and its schedulers."""
        return self._make_optimizers(self.net, int(self.trainer.estimated_stepping_batches))
