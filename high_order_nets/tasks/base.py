"""What all tasks share: a step is checked, measured and logged, and a run can stop and go on anywhere."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, Self, runtime_checkable

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torchmetrics import MeanMetric, Metric, MetricCollection

from ..errors import Diverged
from ..metrics import AVERAGED
from ..optim.degree_decay import DecayByDegree
from .average import Average
from .sharding import shard
from .tuning import Frozen, clamp_weights

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
MakeOptimizers = Callable[[nn.Module, int], Any]
"""Gets the network and the number of steps; gives what `configure_optimizers` may."""
Way = Callable[[], AbstractContextManager[None]]
"""Lets a task evaluate in another way, while it lasts."""


class Outcome(NamedTuple):
    """What a task makes of a batch.

    `loss` is a scalar, in training with its graph, and the mean over `items`. `metrics` are the keywords that the
    split's metrics are updated with. `outputs` are the network's, for objectives that compare them.
    """

    loss: Tensor
    items: int
    metrics: Mapping[str, Any]
    outputs: Tensor | None = None


class Objective(Protocol):
    """What is minimised in place of the task's own loss, in training alone; nothing of it is in the state dict."""

    def attach(self, task: "Task") -> None:
        """Look at the task that it belongs to, before training."""
        ...

    def __call__(self, loss: Tensor, batch: Any, outputs: Tensor | None) -> Tensor:
        """Give what is minimised, a scalar."""
        ...


@runtime_checkable
class Rebuilds(Protocol):
    """A callback that changes the network during training, and can do so again when a run is resumed."""

    state_key: str

    def rebuild(self, pl_module: pl.LightningModule, state: dict[str, Any]) -> None:
        """Change the freshly built network as it was when the callback's own `state` was saved; weights come later."""
        ...


def _leave(error: Diverged) -> None:
    """Leave an error as it is; no lambda, because spawned processes get it pickled."""


class Task(pl.LightningModule, ABC):
    """Train a network and log its metrics and its loss, `train_loss` and so on, as means over the items of a split.

    A subclass says what comes of a batch (`outcome`) and with which metrics it is measured (`make_metrics`); its name,
    `class Regression(Task, name="regression")`, is what `task=` takes. A non-finite loss raises Diverged at that step.
    An optimizer with `clip_gradients(max_norm)` clips by itself. With `ema_decay` the weights are averaged too, and
    the average evaluated beside them (`ways`); with `accumulate` a step takes its batch in so many parts.
    """

    registry: ClassVar[dict[str, type["Task"]]] = {}
    headline: ClassVar[str] = "loss"
    """The metric that the best checkpoint, tables, sweeps and searches go by: its `val_` or `test_`."""
    scores: ClassVar[tuple[str, ...]] = ()
    """Metrics whose figures of the test are the run's score, and stand in metrics.json by their own names too."""
    item: ClassVar[str] = "image"
    """What is counted a second."""

    def __init_subclass__(cls, name: str | None = None, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if name is not None:
            cls.registry[name] = cls

    def __init__(
        self,
        net: nn.Module,
        make_optimizers: MakeOptimizers,
        *,
        clamp_weights: float | None = None,
        create_graph: bool = False,
        objective: Objective | None = None,
        decay_by_degree: Sequence[float] | None = None,
        ema_decay: float | None = None,
        accumulate: int = 1,
    ):
        """Build the metrics too: what `make_metrics` reads must be there before."""
        super().__init__()
        self.net = net
        self._make_optimizers = make_optimizers
        self._clamp, self._create_graph = clamp_weights, create_graph
        self._decay = None if decay_by_degree is None else DecayByDegree(net, decay_by_degree)
        self._objectives = () if objective is None else (objective,)  # in a tuple, which registers no module
        self.averaged = None if ema_decay is None else Average(net, ema_decay)
        self._accumulate = accumulate
        self.frozen: Frozen | None = None
        """The parts of the network that are not trained."""
        self.items = 0
        """Items in the last training batch."""
        self.explain: Callable[[Diverged], None] = _leave
        """Called with what is about to be raised, where it arises: also in a process of its own."""
        figures = [self._figures(split, way) for split in SPLITS for way in ("", *self.ways(split))]
        self.figures = nn.ModuleDict({str(each.prefix): each for each in figures})
        for each in self._objectives:
            each.attach(self)

    @abstractmethod
    def outcome(self, batch: Any, split: Split) -> Outcome:
        """Compute what comes of a batch."""

    def make_metrics(self, split: Split) -> dict[str, Metric]:
        """Give the metrics of a split beside the loss, by name."""
        del split
        return {}

    def ways(self, split: Split) -> dict[str, Way]:
        """Give how a split is evaluated beside the ordinary way, by what begins the names of the figures."""
        if self.averaged is None or split == "train":
            return {}
        return {AVERAGED: self._averaging}

    @property
    def nets(self) -> list[nn.Module]:
        """The network, and its average where there is one."""
        return [self.net, *([] if self.averaged is None else [self.averaged.net])]

    def setup(self, stage: str) -> None:
        """Give each process sums of its own: torchmetrics', unlike weights, reach spawned ones as shared memory."""
        for figures in self.figures.values():
            figures.reset()  # type: ignore[operator]

    def train(self, mode: bool = True) -> Self:
        """Leave frozen parts in evaluation."""
        super().train(mode)
        if self.frozen is not None:
            self.frozen.settle(self.net)
        return self

    def configure_model(self) -> None:
        """Share the parameters out among processes, under trainer=fsdp; Lightning then has a mesh of them."""
        if self.device_mesh is not None:
            shard(self.net, self.device_mesh["data_parallel"])

    def forward(self, inputs: Tensor) -> Tensor:
        """Give the network's output."""
        return self.net(inputs)

    def training_step(self, batch: Any) -> Tensor:
        """Give what is minimised; of a step in parts the last one's, for the others have left their gradients."""
        if self._accumulate == 1:
            loss, minimised, self.items = self._step(batch)
        else:
            loss, minimised, self.items = self._step_in_parts(batch)
        self.log("train_loss_step", loss, on_step=True, on_epoch=False, prog_bar=True)
        return minimised

    def minimised(self, outcome: Outcome, batch: Any) -> Tensor:
        """Give what is minimised for an outcome: its loss, or what the objective makes of it."""
        loss = outcome.loss
        for objective in self._objectives:
            loss = objective(loss, batch, outcome.outputs)
            self._check_finite(loss, "training objective")
        return loss

    def _step(self, batch: Any, share: float = 1) -> tuple[Tensor, Tensor, int]:
        """Give loss and what is minimised, both times the share of the step that the batch is, and its items."""
        outcome = self._evaluate("train", batch)
        return share * outcome.loss.detach(), share * self.minimised(outcome, batch), outcome.items

    def _step_in_parts(self, batch: Any) -> tuple[Tensor, Tensor, int]:
        """Do the same part by part, so that one part alone is in memory."""
        self.optimizers(use_pl_optimizer=False).zero_grad()  # type: ignore[union-attr]
        size = len(batch[0])
        *before, last = zip(*(each.tensor_split(min(self._accumulate, size)) for each in batch), strict=True)
        losses, counts = [], []
        for part in before:
            loss, minimised, items = self._step(part, len(part[0]) / size)
            with torch.autocast(self.device.type, enabled=False):
                self.trainer.strategy.backward(minimised, None)
            losses.append(loss)
            counts.append(items)
        loss, minimised, items = self._step(last, len(last[0]) / size)
        return sum(losses, loss), minimised, sum(counts, items)

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: Optimizer) -> None:
        """Keep what the parts of a step have left, which Lightning would zero before the last one's gradients."""
        if self._accumulate == 1:
            super().optimizer_zero_grad(epoch, batch_idx, optimizer)

    def validation_step(self, batch: Any) -> None:
        """Log the validation figures."""
        self._evaluate("val", batch)

    def test_step(self, batch: Any) -> Outcome:  # type: ignore[override] - for callbacks alone
        """Log the test figures."""
        return self._evaluate("test", batch)

    def _evaluate(self, split: Split, batch: Any) -> Outcome:
        for name, way in self.ways(split).items():  # first: the ordinary figures say how many items were before
            with way():
                self._measure(f"{split}_{name}", self.outcome(batch, split))
        outcome = self.outcome(batch, split)
        self._check_finite(outcome.loss, f"{split} loss")
        self._measure(f"{split}_", outcome)
        return outcome

    def _measure(self, name: str, outcome: Outcome) -> None:
        """Add an outcome to the figures of this name, and log them."""
        figures = self.figures[name]
        # A value an item: with its NaN check off, MeanMetric leaves weights unread.
        figures.update(**outcome.metrics, value=outcome.loss.detach().expand(outcome.items))  # type: ignore[operator]
        self.log_dict(figures, on_step=False, on_epoch=True, prog_bar=True, batch_size=outcome.items)  # type: ignore[arg-type]

    @contextmanager
    def _averaging(self) -> Iterator[None]:
        """Have the averaged weights in the place of the others."""
        assert self.averaged is not None
        net, self.net = self.net, self.averaged.net
        try:
            yield
        finally:
            self.net = net

    def _check_finite(self, loss: Tensor, named: str) -> None:
        if not torch.isfinite(loss):
            error = Diverged(
                f"the {named} is {loss.item()} at step {self.global_step} (epoch {self.current_epoch}); "
                "a smaller learning_rate, a gradient_clip_val or domain=tanh may help"
            )
            self.explain(error)
            raise error

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Keep the graph of the gradient for optimizers that differentiate it again."""
        if self._create_graph:
            kwargs["create_graph"] = True
        super().backward(loss, *args, **kwargs)

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: int | float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Let an optimizer that knows how to clip its gradients do it: not all of them need lie in `.grad`."""
        own = getattr(optimizer, "clip_gradients", None)
        if own is None:
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)
        elif gradient_clip_val:
            own(gradient_clip_val)
        if self._decay is not None:
            self._decay.before_step(optimizer)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Finish the decay by degree, clamp the weights of the high-order layers and average, where asked for."""
        if self._decay is not None:
            self._decay.after_step()
        if self._clamp is not None:
            clamp_weights(self.net, self._clamp)
        if self.averaged is not None:
            self.averaged.update(self.net)

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

    def _figures(self, split: Split, way: str) -> MetricCollection:
        loss = "loss_epoch" if split == "train" else "loss"  # beside the loss of the step
        figures = self.make_metrics(split) | {loss: MeanMetric(nan_strategy="disable")}
        # Without groups, which torchmetrics forms in the first step only: each has its own tensors from the start.
        return MetricCollection(figures, prefix=f"{split}_{way}", compute_groups=False)  # type: ignore[arg-type]


def _gathered(value: Tensor, processes: int) -> Tensor:
    """Stack the value of each process."""
    rows = [torch.empty_like(value) for _ in range(processes)]
    if processes > 1:
        torch.distributed.all_gather(rows, value)
    return torch.stack(rows if processes > 1 else [value])
