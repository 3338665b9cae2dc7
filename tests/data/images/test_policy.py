"""TrivialAugment, RandAugment and random erasing, beside torchvision's."""

from collections import Counter
from typing import Any

import pytest
import torch
from torch import Generator, Tensor
from torchvision.transforms import InterpolationMode, v2

from high_order_nets.data.images.augment import Augment
from high_order_nets.data.images.erasing import kept
from high_order_nets.data.images.policy import BINS, OPERATIONS, apply_policy
from high_order_nets.errors import UserError

THEIRS: dict[str, Any] = {"trivial": v2.TrivialAugmentWide(), "rand": v2.RandAugment()}
NAMES = list(v2.RandAugment._AUGMENTATION_SPACE)


def images(count: int, channels: int = 3, size: int = 32) -> Tensor:
    return torch.randint(0, 256, (count, channels, size, size), dtype=torch.uint8)


def theirs(policy: str, name: str, image: Tensor, number: int, sign: int) -> Tensor:
    transform = THEIRS[policy]
    strengths, signed = transform._AUGMENTATION_SPACE[name]
    found = strengths(BINS, *image.shape[-2:])
    magnitude = 0.0 if found is None else float(found[number]) * (sign if signed else 1)
    return transform._apply_image_or_video_transform(image, name, magnitude, InterpolationMode.NEAREST, {Tensor: None})


@pytest.mark.parametrize("policy", THEIRS)
@pytest.mark.parametrize("place", range(len(OPERATIONS)), ids=NAMES)
@pytest.mark.parametrize(("channels", "size"), [(3, 32), (1, 28), (3, 9)])
def test_every_operation_is_torchvisions_to_the_bit(policy: str, place: int, channels: int, size: int) -> None:
    operation, signs = OPERATIONS[place], [1.0] * BINS + [-1.0] * BINS
    batch = images(2 * BINS, channels, size)
    batch[1], batch[2] = 7, batch[2] // 8 + 100  # one grey all over, and one of little contrast
    magnitudes = getattr(operation, policy)(size).double().repeat(2)
    magnitudes = magnitudes * torch.tensor(signs) if operation.signed else magnitudes
    before = batch.clone()
    found = operation.change(batch, magnitudes)
    assert found.dtype == torch.uint8
    assert before.equal(batch)
    for row, sign in enumerate(signs):
        expected = theirs(policy, NAMES[place], batch[row], row % BINS, int(sign))
        assert found[row].equal(expected), (row % BINS, sign)


def seen(policy: str, magnitude: int = 9) -> Counter[int]:
    """Count which operation, magnitude and sign come from a batch of one image, of those that leave traces."""
    image, many = (images(1, size=40) * 0.7 + 50).to(torch.uint8), 4096
    found = apply_policy(image.expand(many, -1, -1, -1), policy, magnitude, Generator().manual_seed(3))
    known = {
        bytes(theirs(policy, name, image[0], number, sign).flatten().tolist()): place
        for place, name in reversed([*enumerate(NAMES)])
        for number in range(BINS)
        for sign in (1, -1)
    }
    return Counter(known[bytes(row.tolist())] for row in found.flatten(1))


@pytest.mark.parametrize("policy", THEIRS)
def test_operations_are_drawn_evenly_and_are_all_torchvisions(policy: str) -> None:
    """4,096 images, 293 ± 17 an operation; those that change nothing count as the first."""
    counts = seen(policy)
    for place in range(1, len(NAMES)):
        assert place in counts
        assert counts[place] < 293 + 4 * 17
    assert counts.total() == 4096


def test_a_policy_is_a_function_of_the_generator() -> None:
    batch, augment = images(16), Augment(crop=2, rotation=10.0, policy="rand", policy_ops=3, erasing=0.5)
    one, two, other = (augment(batch, Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert one.equal(two)
    assert not one.equal(other)
    assert one.dtype == torch.uint8


def test_without_a_policy_nothing_else_is_drawn() -> None:
    batch = images(16)
    plain, erased = (Augment(crop=2, flip=True, erasing=part)(batch, Generator().manual_seed(1)) for part in (0, 1.0))
    assert ((erased == plain) | (erased == 0)).all()


def boxes(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Give heights and widths of the boxes of a mask; 0 where there is none."""
    return (~mask.bool()).any(3).sum((1, 2)), (~mask.bool()).any(2).sum((1, 2))


def test_boxes_are_erased_as_torchvision_does() -> None:
    """Mean height, width, area and place of 20,000 boxes, beside theirs: within 4 standard errors."""
    batch, count = torch.zeros(1, 1, 32, 24), 20_000
    mask = kept(batch.expand(count, -1, -1, -1), 1.0, Generator().manual_seed(0))
    heights, widths = boxes(mask)
    drawn = [v2.RandomErasing(p=1.0).make_params([batch[0]]) for _ in range(5_000)]
    reference = torch.tensor([[each[key] for key in "hwij"] for each in drawn], dtype=torch.float64)
    hidden = ~mask[:, 0].bool()
    rows, columns = (hidden.any(axis).byte().argmax(1) for axis in (2, 1))
    found = torch.stack([heights, widths, rows, columns], 1).double()
    for ours, their in zip(found.T, reference.T, strict=True):
        error = (ours.var() / count + their.var() / len(reference)).sqrt()
        assert float((ours.mean() - their.mean()).abs() / error) < 4
    areas = (found[:, 0] * found[:, 1] / (32 * 24), reference[:, 0] * reference[:, 1] / (32 * 24))
    assert float(areas[0].mean()) == pytest.approx(float(areas[1].mean()), abs=0.006)
    assert (mask.flatten(1) == 0).sum(1).equal(heights * widths)  # one box each, whole


def test_the_probability_is_of_an_image() -> None:
    mask = kept(torch.zeros(1, 1, 16, 16).expand(4_000, -1, -1, -1), 0.25, Generator().manual_seed(0))
    part = float((mask.flatten(1) == 0).any(1).double().mean())
    assert part == pytest.approx(0.25, abs=4 * (0.25 * 0.75 / 4_000) ** 0.5)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"policy": "auto"}, r"augment\.policy=auto: expected one of none, trivial, rand"),
        ({"policy": "rand", "policy_magnitude": 31}, r"augment\.policy_ops=2 and augment\.policy_magnitude=31 must be"),
        ({"erasing": 1.5}, r"augment\.erasing=1\.5 must lie in \[0, 1\]"),
    ],
)
def test_what_is_no_policy_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=f"^{said}"):
        Augment(**options)
