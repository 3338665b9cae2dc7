"""How long the training takes."""

import statistics
import time
from typing import Any

import pytorch_lightning as pl


class Clock(pl.Callback):
    """Log seconds, seconds_per_epoch (median, without validation), images_per_second (or what else the task
    counts) and epochs of training so far.

    As metrics, because they also come back from the processes that ddp spawns. A resumed run adds to what was saved.
    """

    def __init__(self) -> None:
        self._epochs: list[float] = []
        self._items = 0
        self._training = Stopwatch()  # with validation
        self._epoch = Stopwatch()  # without

    def state_dict(self) -> dict[str, Any]:
        """Give the times and counts so far."""
        times = {"training": self._training.seconds(), "epoch": self._epoch.seconds()}
        return times | {"epochs": list(self._epochs), "images": self._items}  # of whatever kind: 0.1 had images alone

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from those."""
        self._epochs, self._items = list(state_dict["epochs"]), state_dict["images"]
        self._training, self._epoch = Stopwatch(state_dict["training"]), Stopwatch(state_dict["epoch"])

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clocks; a resumed run may start within an epoch."""
        self._training.start()
        self._epoch.start()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the items."""
        self._items += pl_module.items * trainer.world_size  # type: ignore[operator]

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop the clock: validation runs inside the training epoch."""
        self._epoch.stop()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Let it go on."""
        self._epoch.start()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the figures."""
        self._epochs.append(self._epoch.seconds())
        self._epoch = Stopwatch()
        self._epoch.start()
        figures = {
            "seconds": self._training.seconds(),
            "seconds_per_epoch": statistics.median(self._epochs),
            f"{pl_module.item}s_per_second": self._items / sum(self._epochs),
            "epochs": float(trainer.current_epoch + 1),
        }
        pl_module.log_dict(figures, sync_dist=True)


class Stopwatch:
    """Sum up the seconds between starts and stops."""

    def __init__(self, before: float = 0.0):
        self._sum = before
        self._started: float | None = None

    def start(self) -> None:
        """Go on."""
        self._started = time.perf_counter()

    def stop(self) -> None:
        """Pause."""
        self._sum, self._started = self.seconds(), None

    def seconds(self) -> float:
        """Return the sum so far."""
        return self._sum + (time.perf_counter() - self._started if self._started is not None else 0.0)
