"""Write what a test tells beside its figures."""

import csv
import io
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torchmetrics.classification import MulticlassConfusionMatrix

from ...files import write_text
from ...plots.draw import Settings, write
from ...run.layout import CLASSES, CONFUSION, PLOTS, PREDICTIONS, TOKEN_LOSSES
from ...tasks import Classification, LanguageModelling
from ...tasks.base import Outcome
from ...tasks.examination import Rows, per_class, predicted, token_losses
from .plots import unharmed


class Examine(pl.Callback):
    """Examine a test of classes or tokens, and write what comes of it into a folder.

    Of classes: `classes.csv` (accuracy of each), `confusion.csv` (counts, a row a true class) and, where `drawn` says
    how, `plots/confusion.png`; with `each` also `predictions.csv`. Of tokens, with `each`: `token_losses.csv`.
    """

    def __init__(self, folder: Path, drawn: Settings | None, *, each: bool):
        self._folder, self._drawn, self._each = folder, drawn, each
        self._examination: Examination | None = None
        self._items = 0

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin anew."""
        self._items, self._examination = 0, None
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        if isinstance(pl_module, Classification):
            self._examination = OfClasses(data.spec.classes, each=self._each).to(pl_module.device)
        elif isinstance(pl_module, LanguageModelling) and self._each:
            self._examination = OfTokens(data.tokenizer.words).to(pl_module.device)

    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Add a batch: process r of R has the items r, r + R, …"""
        if self._examination is not None:
            places = torch.arange(self._items, self._items + len(batch[0]), device=pl_module.device)
            with trainer.precision_plugin.forward_context():
                self._examination.add(places * trainer.world_size + trainer.global_rank, pl_module, batch, outputs)
            self._items += len(places)

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write it; all processes give what they have."""
        if self._examination is None:
            return
        files = self._examination.files()
        if trainer.is_global_zero:
            for name, rows in files.items():
                write_text(self._folder / name, _comma_separated(rows))
            if self._drawn is not None and (confusion := self._examination.confusion) is not None:
                with unharmed():
                    _draw(confusion, self._examination.names, self._folder / PLOTS, self._drawn)
        self._examination = None


class Examination(nn.Module):
    """Sums over a test, shared by its processes; a module, so that it lies where the network does."""

    confusion: Tensor | None = None
    """Counts (true, predicted), after `files`."""

    def __init__(self, names: Sequence[str]):
        super().__init__()
        self.names = names

    @abstractmethod
    def add(self, items: Tensor, task: Any, batch: Any, outcome: Outcome) -> None:
        """Add a batch, `items` the places of its items in the set."""

    @abstractmethod
    def files(self) -> dict[str, Iterable[Sequence[Any]]]:
        """Give the files to write, by name: rows, the header first."""


class OfClasses(Examination):
    """Count which class is taken for which; keep each prediction where asked for."""

    def __init__(self, names: Sequence[str], *, each: bool):
        super().__init__(names)
        self.matrix, self.rows = MulticlassConfusionMatrix(len(names)), Rows() if each else None

    def add(self, items: Tensor, task: Any, batch: Any, outcome: Outcome) -> None:
        """Add a batch."""
        logits, labels = outcome.metrics["preds"], outcome.metrics["target"]
        self.matrix.update(logits, labels)
        if self.rows is not None:
            classes, probabilities = predicted(logits)
            self.rows.update(items, torch.stack([items, labels, classes], 1), probabilities)

    def files(self) -> dict[str, Iterable[Sequence[Any]]]:
        """Give accuracy by class, confusion and predictions."""
        self.confusion = self.matrix.compute().cpu()
        classes = zip(self.names, per_class(self.confusion), strict=True)
        counts = zip(self.names, self.confusion.tolist(), strict=True)
        files: dict[str, Iterable[Sequence[Any]]] = {
            CLASSES: [("class", "count", "correct", "accuracy"), *((name, *row.values()) for name, row in classes)],
            CONFUSION: [("true", *self.names), *((name, *row) for name, row in counts)],
        }
        return files | ({PREDICTIONS: self._predictions(self.rows)} if self.rows is not None else {})

    def _predictions(self, rows: Rows) -> list[Sequence[Any]]:
        numbers, probabilities = rows.compute()
        named = [(i, self.names[label], self.names[found]) for i, label, found in numbers.tolist()]
        pairs = zip(named, probabilities.tolist(), strict=True)
        return [("index", "label", "predicted", "probability"), *((*row, f"{p:.6g}") for row, p in pairs)]


class OfTokens(Examination):
    """Keep -log p of each token."""

    def __init__(self, words: Sequence[str]):
        super().__init__(words)
        self.rows = Rows()

    def add(self, items: Tensor, task: Any, batch: Any, outcome: Outcome) -> None:
        """Add a batch."""
        tokens, following = batch
        counted = following >= 0
        whose = items[:, None].expand_as(following)[counted]
        self.rows.update(whose, following[counted][:, None], token_losses(task, tokens, following))

    def files(self) -> dict[str, Iterable[Sequence[Any]]]:
        """Give a row a token; the first of the split, which nothing foretells, is at position 0 and has none."""
        ids, losses = self.rows.compute()
        pairs = zip(ids[:, 0].tolist(), losses.tolist(), strict=True)
        found = [(place, key, self.names[key], f"{loss:.6g}") for place, (key, loss) in enumerate(pairs, 1)]
        return {TOKEN_LOSSES: [("position", "id", "token", "loss"), *found]}


def _draw(confusion: Tensor, names: Sequence[str], folder: Path, settings: Settings) -> None:
    from ...plots.confusion import draw_confusion  # noqa: PLC0415 - slow to import
    from ...plots.style import published  # noqa: PLC0415 - slow to import

    with published():
        write(draw_confusion(confusion, names, settings.title), folder, "confusion", settings)


def _comma_separated(rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
