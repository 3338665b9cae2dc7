"""Which of the training images, or other things, are used, and which of those are held out for validation."""

import numpy as np
import torch
from torch import Tensor

from ..errors import UserError

SUBSETS = ("random", "first")


def split_indices(
    count: int,
    *,
    train_fraction: float = 1.0,
    val_fraction: float = 0.0,
    subset: str = "random",
    seed: int = 1,
    things: str = "images",
) -> tuple[Tensor, Tensor]:
    """Choose training and validation `things` among `count`: two sorted, disjoint int64 index tensors.

    First round(train_fraction · count) are kept, the first ones or random ones; of these, a random
    round(val_fraction · kept) are held out. Both draws depend on `seed` only, and a smaller random fraction is part of
    a larger one. Raises UserError for values out of range or a split that leaves a part empty.
    """
    if not 0 < train_fraction <= 1:
        raise UserError(f"train_fraction={train_fraction} must lie in (0, 1]")
    if not 0 <= val_fraction < 1:
        raise UserError(f"val_fraction={val_fraction} must lie in [0, 1)")
    if subset not in SUBSETS:
        raise UserError(f"dataset.subset={subset} must be one of {', '.join(SUBSETS)}")
    generator = torch.Generator().manual_seed(seed)
    shuffled = torch.randperm(count, generator=generator)
    kept = (shuffled if subset == "random" else torch.arange(count))[: round(train_fraction * count)]
    kept = kept[torch.randperm(len(kept), generator=generator)]
    held_out = round(val_fraction * len(kept))
    if held_out == len(kept) or (val_fraction > 0 and held_out == 0):
        raise UserError(
            f"train_fraction={train_fraction} and val_fraction={val_fraction} of {count} {things} leave "
            f"{len(kept) - held_out} to train on and {held_out} to validate: use larger fractions"
        )
    return kept[held_out:].sort().values, kept[:held_out].sort().values


def stratified(labels: Tensor, fraction: float) -> tuple[Tensor, Tensor]:
    """Hold out that fraction (rounded) of each class: the indices of the rest and of those, sorted int64 each.

    One split for ever: drawn by numpy's legacy generator with seed 0, whose stream is frozen, so that every version of
    every library agrees.
    """
    target = labels.numpy()
    order = np.random.RandomState(0).permutation(len(target))
    held_out = np.zeros(len(target), dtype=bool)
    for label in np.unique(target):
        members = order[target[order] == label]
        held_out[members[: round(fraction * len(members))]] = True
    return torch.from_numpy(np.flatnonzero(~held_out)), torch.from_numpy(np.flatnonzero(held_out))
