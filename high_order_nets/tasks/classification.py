"""Image classification."""

from collections.abc import Callable
from typing import Any, ClassVar, Protocol, runtime_checkable

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics import MeanMetric, MetricCollection
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


@runtime_checkable
class Rebuilds(Protocol):
    """A callback that changes the network during training, and can do so again when a run is resumed."""

    state_key: str

    def rebuild(self, pl_module: pl.LightningModule, state: dict[str, Any]) -> None:
        """Change the freshly built network as it was when the callback's own `state` was saved; weights come later."""
        ...


def _leave(error: Diverged) -> None:
    """Leave an error as it is; no lambda, because spawned processes get it pickled."""


class Classification(pl.LightningModule):
    """Train a classifier and log loss, top-1 and top-5 accuracy of each split.

    make_optimizers gets this module and the number of steps, and returns what `configure_optimizers` may. Evaluation
    losses are without label smoothing. A non-finite loss raises Diverged at that step.
    """

    headline: ClassVar[str] = "acc"

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
        self.explain: Callable[[Diverged], None] = _leave
        """Called with what is about to be raised, where it arises: also in a process of its own."""
        self.figures = nn.ModuleDict({f"{split}_": _figures(split, classes) for split in ("train", "val", "test")})

    def setup(self, stage: str) -> None:
        """Give each process sums of its own: torchmetrics', unlike weights, reach spawned ones as shared memory."""
        for figures in self.figures.values():
            figures.reset()  # type: ignore[operator]

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
            error = Diverged(
                f"the {split} loss is {loss.item()} at step {self.global_step} (epoch {self.current_epoch}); "
                "a smaller learning_rate, a gradient_clip_val or domain=tanh may help"
            )
            self.explain(error)
            raise error
        figures = self.figures[f"{split}_"]
        # A value an image: with its NaN check off, MeanMetric leaves weights unread.
        figures.update(preds=logits.detach(), target=labels, value=loss.detach().expand(len(labels)))  # type: ignore[operator]
        self.log_dict(figures, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(labels))  # type: ignore[arg-type]
        if split == "train":
            self.log("train_loss_step", loss, on_step=True, on_epoch=False, prog_bar=True)
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

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the running figures of the epoch, one row a process."""
        processes = self.trainer.world_size
        checkpoint["running"] = {key: _gathered(value, processes) for key, value in self._running().items()}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Give the network the shape that it had, then go on with the running figures of the epoch."""
        for callback in self.trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, Rebuilds):
                callback.rebuild(self, checkpoint["callbacks"].get(callback.state_key, {}))
        # Lightning would do it only after loading, which rounds a float64 network's weights to float32.
        self.trainer.precision_plugin.convert_module(self)
        for key, value in self._running().items():
            rows = checkpoint["running"][key]
            value.copy_(rows[min(self.trainer.global_rank, len(rows) - 1)])

    def _running(self) -> dict[str, Tensor]:
        """Name the tensors that the training figures are summed up in."""
        metrics: Any = self.figures["train_"]
        states = {name: metric.metric_state for name, metric in metrics.items(keep_base=True)}
        return {f"{name}.{key}": value for name, state in states.items() for key, value in state.items()}


def _gathered(value: Tensor, processes: int) -> Tensor:
    """Stack the value of each process."""
    rows = [torch.empty_like(value) for _ in range(processes)]
    if processes > 1:
        torch.distributed.all_gather(rows, value)
    return torch.stack(rows if processes > 1 else [value])


def _figures(split: str, classes: int) -> MetricCollection:
    loss = "loss_epoch" if split == "train" else "loss"  # beside the loss of the step
    figures = {
        "acc": MulticlassAccuracy(classes, average="micro"),
        "acc5": MulticlassAccuracy(classes, top_k=min(5, classes), average="micro"),
        loss: MeanMetric(nan_strategy="disable"),
    }
    # Without groups, which torchmetrics forms in the first step only: each figure has its own tensors from the start.
    return MetricCollection(figures, prefix=f"{split}_", compute_groups=False)  # type: ignore[arg-type]
