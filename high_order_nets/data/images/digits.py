"""Scikit-learn's handwritten digits: real images that need no download."""

import numpy as np
import torch

from ..split import stratified
from .tensors import ImageData

TEST_FRACTION = 0.2


def load_digits() -> ImageData:
    """Read the 1,797 digits of 8×8 pixels, 1,438 to train on and 359 to test.

    scikit-learn has no split of its own. This one is fixed, a fifth of each class: see `stratified`.
    """
    from sklearn.datasets import load_digits as load  # noqa: PLC0415 (slow to import, and rarely needed)

    ink, target = load(return_X_y=True)
    # A pixel counts the inked points of a 4×4 cell, 0 … 16.
    images = torch.from_numpy(np.rint(ink * (255 / 16)).astype(np.uint8)).view(-1, 1, 8, 8)
    labels = torch.from_numpy(target.astype(np.int64))
    train, test = stratified(labels, TEST_FRACTION)
    classes = tuple(str(digit) for digit in range(10))
    return ImageData("digits", classes, images[train], labels[train], images[test], labels[test])
