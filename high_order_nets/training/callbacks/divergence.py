"""Where a number stopped being finite: the first module, its inputs, its weights."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from ...errors import Diverged
from .reseed import seed_step
from .saver import Saver

Details = dict[str, Any]


class ExplainDivergence(pl.Callback):
    """Complete a Diverged with what a second pass over the same batch finds, and with the last good checkpoint.

    The task calls it: Lightning tells callbacks of an exception in the process that started the others alone.
    `details` then has step, epoch, module and module_type (null where all outputs are finite), input_range (of the
    finite inputs, or null), finite_inputs, finite_weights, and last_good_checkpoint.
    """

    def __init__(self, seed: int, saver: Saver):
        self._seed, self._saver = seed, saver
        self._batch: tuple[Any, int] | None = None
        self._before: Any = None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Offer the task an explanation."""
        self._before = pl_module.explain
        pl_module.explain = partial(self._explain, trainer, pl_module)  # type: ignore[assignment]

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Take it back: what comes after training is not of its batches."""
        pl_module.explain = self._before  # type: ignore[assignment]

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Remember the batch."""
        self._batch = batch, batch_idx

    def on_validation_batch_start(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Remember the batch."""
        self._batch = batch, batch_idx

    on_test_batch_start = on_validation_batch_start

    def _explain(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: Diverged) -> None:
        details = {"step": trainer.global_step, "epoch": trainer.current_epoch} | self._found(trainer, pl_module)
        details["last_good_checkpoint"] = str(self._saver.last) if self._saver.last else None
        exception.details |= details
        exception.args = (f"{exception}; {_sentence(exception.details)}",)
        exception.note_details()

    def _found(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> Details:
        if self._batch is None:
            return {}
        batch, batch_idx = self._batch
        if trainer.training:
            seed_step(self._seed, trainer, batch_idx)  # the same dropout
        inputs = batch[0]
        with torch.no_grad(), trainer.precision_plugin.forward_context():
            return first_non_finite(pl_module, inputs)


def first_non_finite(module: nn.Module, *inputs: Tensor) -> Details:
    """Run the module and describe the first of its parts that gives a non-finite output; innermost parts come first."""
    found: list[Details] = []
    with _watched(module, found):
        module(*inputs)
    return found[0] if found else {"module": None, "module_type": None, "input_range": finite_range(*inputs)}


@contextmanager
def _watched(module: nn.Module, found: list[Details]) -> Iterator[None]:
    hooks = [part.register_forward_hook(partial(_look, name, found)) for name, part in module.named_modules() if name]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _look(name: str, found: list[Details], part: nn.Module, inputs: Any, output: Any) -> None:
    if found or _is_finite(output):
        return
    found.append(
        {
            "module": name,
            "module_type": type(part).__name__,
            "input_range": finite_range(*inputs),
            "finite_inputs": all(_is_finite(each) for each in inputs),
            "finite_weights": all(_is_finite(p) for p in part.parameters()),
        }
    )


def _is_finite(value: Any) -> bool:
    return not isinstance(value, Tensor) or bool(value.isfinite().all())


def finite_range(*inputs: Any) -> list[float] | None:
    """Return the least and the largest of the finite numbers in the tensors; None where there are none."""
    tensors = [each[each.isfinite()].float() for each in inputs if isinstance(each, Tensor)]
    values = torch.cat([each.flatten() for each in tensors]) if tensors else torch.empty(0)
    return [values.min().item(), values.max().item()] if len(values) else None


def _sentence(details: Details) -> str:
    parts = []
    if details.get("module"):
        parts.append(f"first non-finite output: {details['module']} ({details['module_type']})")
    elif "module" in details:
        parts.append("the outputs of all modules are finite")
    if limits := details.get("input_range"):
        parts.append(f"its inputs in [{limits[0]:.4g}, {limits[1]:.4g}]")
    if details.get("finite_inputs") is False:
        parts.append("some of them not finite")
    if details.get("finite_weights") is False:
        parts.append("its weights not finite")
    last = details["last_good_checkpoint"]
    return ", ".join(parts) + (f"; last good checkpoint: {last}" if last else "; no checkpoint was saved before")
