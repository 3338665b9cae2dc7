"""Batches as slices of a tensor, in an order that is a function of (seed, epoch, batch, rank) alone."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from ..errors import UserError

WORD = 2**64 - 1


def derive_seed(*numbers: int) -> int:
    """Mix integers to one seed in 0 … 2⁶³ - 1, by SplitMix64's finalizer: near inputs give unrelated seeds."""
    state = 0
    for number in numbers:
        state = (state + number + 0x9E3779B97F4A7C15) & WORD
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & WORD
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & WORD
        state ^= state >> 31
    return state >> 1


class EpochBatches(Sampler[tuple[Tensor, int]]):
    """Yields (indices of items, seed of the batch) for one epoch and one of `world_size` processes.

    Training: the items in a new order each epoch, in batches of exactly `batch_size`; the rest of the epoch's items
    is left out, unless there is only one, smaller batch. (A last batch of one image would break batch norm.)
    Evaluation: every item once, in order, in nearly equal batches of at most `batch_size`.
    Every process gets the same number of batches. Lightning calls `set_epoch` before each epoch. `start` is the (epoch,
    batch) to begin with: the batches before it are left out of that epoch, as a run did them before it was stopped.
    `items` says what they are, in an error.
    """

    def __init__(
        self,
        indices: Tensor,
        batch_size: int,
        seed: int,
        *,
        training: bool,
        rank: int = 0,
        world_size: int = 1,
        start: tuple[int, int] = (0, 0),
        items: str = "images",
    ):
        if batch_size < 1:
            raise UserError(f"batch_size={batch_size} must be at least 1")
        if len(indices) < world_size:
            raise UserError(f"{len(indices)} {items} are too few for {world_size} processes: use fewer devices")
        self.indices, self.batch_size, self.seed = indices, batch_size, seed
        self.training, self.rank, self.world_size = training, rank, world_size
        self.epoch, self._start = start[0], start

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order the next iteration follows."""
        self.epoch = epoch

    def __len__(self) -> int:
        if self.training:
            return max(1, len(self.indices) // self.world_size // self.batch_size)
        batches = math.ceil(len(self.indices) / (self.world_size * self.batch_size))
        return min(batches, len(self.indices) // self.world_size)  # so that no process has an empty batch

    def __iter__(self) -> Iterator[tuple[Tensor, int]]:
        for number, batch in enumerate(self._training() if self.training else self._evaluation()):
            if (self.epoch, number) >= self._start:
                yield batch, derive_seed(self.seed, self.epoch, number, self.rank)

    def _training(self) -> tuple[Tensor, ...]:
        # The same permutation in every process; each takes its own part.
        generator = torch.Generator().manual_seed(derive_seed(self.seed, self.epoch))
        order = self.indices[torch.randperm(len(self.indices), generator=generator)]
        share = order[self.rank :: self.world_size][: len(order) // self.world_size]
        return share[: len(self) * self.batch_size].split(self.batch_size)

    def _evaluation(self) -> tuple[Tensor, ...]:
        return self.indices[self.rank :: self.world_size].tensor_split(len(self))


def make_loader(
    dataset: Dataset[Any], batches: EpochBatches, *, num_workers: int = 0, pin_memory: bool = False
) -> DataLoader:
    """Join a data set, which makes a whole batch of what `batches` yields, and their order to a loader.

    It gives the same for any `num_workers`. Memory is pinned only where there is a GPU.
    """
    return DataLoader(
        dataset,
        batch_size=None,  # the sampler makes the batches
        sampler=batches,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
        pin_memory=pin_memory and torch.cuda.is_available(),
    )
