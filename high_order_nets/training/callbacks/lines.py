"""One line an epoch for the log, and no word of third parties about this program's own choices."""

import logging
import warnings

import pytorch_lightning as pl

from ...metrics import figures_of

log = logging.getLogger(__name__)


class Silence(pl.Callback):
    """Silence what third parties say about this program's own choices, by message, in every process."""

    MESSAGES = (
        # The loaders slice memory: worker processes would only slow them down.
        r".*does not have many workers which may be a bottleneck.*",
        # One batch an epoch is what trainer=debug asks for.
        r"The number of training batches .* is smaller than the logging interval.*",
        # AdaHessian and Sophia differentiate the gradient; the graph goes with the gradients at the next step.
        r"Using backward\(\) with create_graph=True will create a reference cycle.*",
        # They resume by the data module's start instead.
        r".*ended before the epoch ended and your dataloader is not resumable.*",
        # The frozen stages of a Staged network that is resumed.
        r"Found \d+ module\(s\) in eval mode at the start of training.*",
        # Lightning's own use of torch.
        r".*isinstance\(treespec, LeafSpec\).* is deprecated.*",
    )

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Set the filters."""
        for message in self.MESSAGES:
            warnings.filterwarnings("ignore", message)


class EpochLines(pl.Callback):
    """Log one line an epoch, for terminals without a progress bar and for train.log."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the epoch's figures."""
        metrics, headline = figures_of(trainer.callback_metrics), pl_module.headline
        names = dict.fromkeys(f"{split}_{name}" for split in ("train", "val") for name in ("loss", headline))
        figures = "  ".join(f"{name} {metrics[name]:.4f}" for name in names if name in metrics)
        log.info("epoch %d/%s  %s", trainer.current_epoch + 1, trainer.max_epochs, figures)
