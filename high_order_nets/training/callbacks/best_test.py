"""The best epoch on the test set, for comparison with who reports that."""

from itertools import islice
from typing import Any

import pytorch_lightning as pl
import torch

from ...metrics import metric


class BestTest(pl.Callback):
    """Test after each epoch, and log the best headline so far, test_best_acc; nothing else goes by it."""

    def __init__(self) -> None:
        self._best: float | None = None

    def state_dict(self) -> dict[str, Any]:
        """Give the best so far."""
        return {"best": self._best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Compare with the best so far."""
        self._best = state_dict["best"]

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Test; the figures of the last test, after training, are another matter."""
        task: Any = pl_module
        figures = task.figures["test_"]
        task.eval()
        trainer.testing = True  # no augmentation
        with torch.no_grad(), trainer.precision_plugin.forward_context():
            batches = trainer.datamodule.test_dataloader()  # type: ignore[attr-defined]
            for batch in islice(batches, _most(trainer.limit_test_batches)):
                outcome = task.outcome(trainer.strategy.batch_to_device(batch), "test")
                figures.update(**outcome.metrics, value=outcome.loss.expand(outcome.items))
        task.train()
        trainer.training = True
        name = task.headline
        found = float(figures.compute()[f"test_{name}"])
        figures.reset()
        better = metric(name).merit
        self._best = found if self._best is None else max(self._best, found, key=better)
        pl_module.log(f"test_best_{name}", self._best)


def _most(limit: int | float | None) -> int | None:
    """Read Lightning's limit of batches, 1.0 for all of them."""
    return limit if isinstance(limit, int) else None
