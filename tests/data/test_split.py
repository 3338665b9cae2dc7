import pytest
import torch

from high_order_nets.data.split import split_indices
from high_order_nets.errors import UserError


@pytest.mark.parametrize("subset", ["random", "first"])
@pytest.mark.parametrize(("train_fraction", "val_fraction"), [(1.0, 0.0), (1.0, 0.2), (0.4, 0.0), (0.1, 0.5)])
def test_sizes_and_disjointness(subset, train_fraction, val_fraction):
    train, val = split_indices(1000, train_fraction=train_fraction, val_fraction=val_fraction, subset=subset)
    kept = round(1000 * train_fraction)
    assert len(val) == round(kept * val_fraction)
    together = torch.cat([train, val]).sort().values
    assert len(together.unique()) == kept
    assert subset == "random" or torch.equal(together, torch.arange(kept))


def test_split_is_fixed_by_the_seed():
    def split(seed: int) -> list[list[int]]:
        return [part.tolist() for part in split_indices(100, train_fraction=0.5, val_fraction=0.2, seed=seed)]

    assert split(1) == split(1)
    assert split(1)[0] != split(2)[0]
    assert split(1)[1] != split(2)[1]


def test_a_random_fraction_contains_the_smaller_one():
    small, large = (set(split_indices(100, train_fraction=f)[0].tolist()) for f in (0.1, 0.3))
    assert small < large
    assert small != set(range(10))


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"train_fraction": 0.0}, r"train_fraction=0\.0"),
        ({"train_fraction": 1.5}, r"\(0, 1\]"),
        ({"val_fraction": 1.0}, r"\[0, 1\)"),
        ({"val_fraction": -0.1}, r"val_fraction=-0\.1"),
        ({"train_fraction": float("nan")}, "train_fraction=nan"),
        ({"subset": "last"}, "random, first"),
        ({"train_fraction": 0.001}, "0 to train on"),
        ({"val_fraction": 0.001}, "0 to validate"),
        ({"val_fraction": 0.99}, "0 to train on"),
    ],
)
def test_bad_values_are_refused(wrong, match):
    with pytest.raises(UserError, match=match):
        split_indices(10, **wrong)
