"""Mixup and CutMix beside torchvision's, which draw from the same numbers here."""

from random import Random
from typing import Any

import pytest
import torch
from torchvision.transforms import v2

from high_order_nets.data.images.mix import Mix
from high_order_nets.errors import UserError

IMAGES = torch.rand(6, 3, 10, 14)
LABELS = torch.tensor([0, 1, 2, 3, 1, 0])


class Fixed(Random):
    """Draws λ and a centre (x, y) that are given, always mixes, and takes the first way."""

    share, centre = 0.5, (0, 0)

    def random(self) -> float:
        return 0.0

    def betavariate(self, alpha: float, beta: float) -> float:
        return self.share

    def randrange(self, start: int, *_: Any) -> int:  # type: ignore[override]
        return {14: self.centre[0], 10: self.centre[1], 1: 0}[start]


def theirs(kind: Any, share: float, centre: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> Any:
    transform = kind(num_classes=4, alpha=1.0)
    monkeypatch.setattr(transform, "_dist", type("Dist", (), {"sample": lambda _, __: torch.tensor([share])})())
    monkeypatch.setattr(torch, "randint", lambda high, *_, **__: torch.tensor([centre[0 if high == 14 else 1]]))
    return transform(IMAGES, LABELS)


def ours(mix: Mix, share: float, centre: tuple[int, int] = (0, 0)) -> tuple[torch.Tensor, torch.Tensor]:
    random = Fixed()
    random.share, random.centre = share, centre
    return mix(IMAGES, LABELS, 4, random)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.75, 1.0])
def test_mixup_is_torchvisions(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = theirs(v2.MixUp, share, (0, 0), monkeypatch)
    torch.testing.assert_close(ours(Mix(mixup=1.0), share), expected)


@pytest.mark.parametrize("centre", [(7, 5), (0, 0), (13, 9), (13, 0), (3, 8)])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.75, 0.999])
def test_cutmix_is_torchvisions(share: float, centre: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    expected = theirs(v2.CutMix, share, centre, monkeypatch)
    torch.testing.assert_close(ours(Mix(cutmix=1.0), share, centre), expected)


def test_the_share_of_a_box_is_that_of_its_pixels() -> None:
    images = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 1, 9, 7)  # an image of its own number
    before = images.clone()
    for seed in range(30):
        mixed, shares = Mix(cutmix=1.0)(images, torch.arange(4), 4, Random(seed))
        left = (mixed == images).flatten(1).float().mean(1)
        torch.testing.assert_close(shares.diagonal(), left)
        torch.testing.assert_close(shares.sum(1), torch.ones(4))
        torch.testing.assert_close(mixed.flatten(1).mean(1), shares @ torch.arange(4.0))
    assert torch.equal(images, before)


@pytest.mark.parametrize("mix", [Mix(mixup=0.2), Mix(cutmix=1.0), Mix(mixup=0.2, cutmix=1.0, mix_probability=0.5)])
def test_the_random_numbers_decide_everything(mix: Mix) -> None:
    one, again, other = (mix(IMAGES.double(), LABELS, 4, Random(seed)) for seed in (3, 3, 5))
    assert torch.equal(one[0], again[0])
    assert torch.equal(one[1], again[1])
    assert one[0].dtype == torch.float64
    assert not torch.equal(one[0], other[0])


def test_so_many_batches_are_mixed_and_in_both_ways() -> None:
    mix, dots = Mix(mixup=1.0, cutmix=1.0, mix_probability=0.6), torch.tensor([0.0, 1.0]).view(2, 1, 1, 1)
    found = [mix(dots.expand(2, 1, 8, 8), torch.arange(2), 2, Random(seed)) for seed in range(400)]
    mixed = [images for images, labels in found if labels.dim() == 2]
    assert 0.5 < len(mixed) / len(found) < 0.7
    boxes = sum(bool(((images == 0) | (images == 1)).all()) for images in mixed)
    assert 0.4 < boxes / len(mixed) < 0.6


@pytest.mark.parametrize(
    ("until", "epochs", "last"), [(1.0, 3, 2), (0.9, 10, 8), (0.07, 100, 6), (0.5, 3, 1), (0.1, 1, 0)]
)
def test_it_ends_with_an_epoch(until: float, epochs: int, last: int) -> None:
    covered = [epoch for epoch in range(epochs) if Mix(cutmix=1.0, mix_until=until).covers(epoch, epochs)]
    assert covered == list(range(last + 1))
    assert not Mix(mix_until=until).covers(0, epochs)


@pytest.mark.parametrize("wrong", [{"mixup": -1.0}, {"cutmix": -0.1}, {"mix_probability": 0.0}, {"mix_until": 1.5}])
def test_bad_values_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UserError, match=rf"augment\.{next(iter(wrong))}"):
        Mix(**wrong)
