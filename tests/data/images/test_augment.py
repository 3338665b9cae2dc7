import pytest
import torch
import torch.nn.functional as F
from torchvision.transforms.v2 import functional as V

from high_order_nets.data.images.augment import Augment
from high_order_nets.errors import UserError

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
FULL = Augment(crop=4, flip=True, rotation=15.0, cutout=8)
EXACT = Augment(crop=2, flip=True)


def noise(count: int = 64, channels: int = 3, size: int = 12, device: str = "cpu") -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(1, 256, (count, channels, size, size), dtype=torch.uint8, generator=generator).to(device)


def run(augment: Augment, images: torch.Tensor, seed: int = 0) -> torch.Tensor:
    return augment(images, torch.Generator(images.device).manual_seed(seed))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("augment", [EXACT, FULL, Augment(rotation=15.0), Augment(cutout=3)])
@pytest.mark.parametrize("channels", [1, 3])
def test_shape_range_and_determinism(augment, channels, device):
    images = noise(channels=channels, device=device)
    before = images.clone()
    out = run(augment, images)
    assert out.shape == images.shape
    assert out.device == images.device
    assert out.dtype == (torch.float32 if augment.rotation else torch.uint8)
    assert out.min() >= 0
    assert out.max() <= 255.01
    assert torch.equal(images, before), "the input was changed"
    assert torch.equal(out, run(augment, images))
    assert not torch.equal(out, run(augment, images, seed=1))


@pytest.mark.parametrize("augment", [EXACT, FULL, Augment(cutout=3)])
def test_what_is_drawn_lies_on_the_device_of_the_images(augment):
    images = noise()
    out = run(augment, images)
    with torch.device("meta"):  # stands for any default that is not the images' own device
        assert torch.equal(run(augment, images), out)


def test_nothing_on_is_the_identity():
    images = noise()
    assert torch.equal(run(Augment(), images), images)


def test_flip_mirrors_about_half_and_is_exact():
    images = noise(400)
    out = run(Augment(flip=True), images)
    same = (out == images).flatten(1).all(1)
    mirrored = (out == images.flip(3)).flatten(1).all(1)
    assert (same ^ mirrored).all()
    assert 150 < mirrored.sum() < 250


def test_crop_is_an_exact_translation_with_zeros():
    images, crop = noise(400, channels=1, size=6), 2
    out = run(Augment(crop=crop), images)
    padded = F.pad(images, (crop,) * 4)
    windows = {(y, x): padded[:, :, y : y + 6, x : x + 6] for y in range(5) for x in range(5)}
    matches = torch.stack([(out == window).flatten(1).all(1) for window in windows.values()])
    assert (matches.sum(0) == 1).all()
    assert (matches.sum(1) > 0).all(), "every shift occurs"


@pytest.mark.parametrize("shape", [(3, 12, 12), (1, 10, 16)])
def test_resampling_without_turn_agrees_with_the_exact_path(shape):
    images = torch.randint(1, 256, (32, *shape), dtype=torch.uint8)
    exact = run(EXACT, images)
    resampled = Augment(crop=2, flip=True, rotation=1e-9)
    # The same draws come first, so the same seed makes the same shifts and mirrors.
    torch.testing.assert_close(run(resampled, images), exact.float(), atol=1e-2, rtol=0)


@pytest.mark.parametrize("shape", [(3, 12, 12), (1, 10, 16)])
def test_rotation_agrees_with_torchvision(shape, monkeypatch):
    images = torch.rand(4, *shape)
    monkeypatch.setattr("high_order_nets.data.images.augment._uniform", lambda images, _: torch.ones(len(images)))
    ours = run(Augment(rotation=15.0), images)
    theirs = V.rotate(images, 15.0, interpolation=V.InterpolationMode.BILINEAR)
    inner = (..., slice(3, -3), slice(3, -3))  # torchvision rounds differently where the image ends
    torch.testing.assert_close(ours[inner], theirs[inner], atol=1e-4, rtol=0)


def test_rotation_stays_within_its_bound():
    # A dot to the right of the centre: its angle after the turn is the angle of the turn.
    images = torch.zeros(300, 1, 41, 41)
    images[:, :, 19:22, 34:37] = 1
    out = run(Augment(rotation=20.0), images)[:, 0]
    axis = torch.arange(41.0) - 20
    y, x = ((out * a).sum((1, 2)) / out.sum((1, 2)) for a in (axis[:, None], axis[None]))
    angles = torch.rad2deg(torch.atan2(y, x))
    assert angles.abs().max() < 20.5
    assert angles.min() < -15
    assert angles.max() > 15


@pytest.mark.parametrize("side", [1, 4, 5])
def test_cutout_blanks_one_square(side):
    images = noise(300)
    blank = run(Augment(cutout=side), images) == 0
    assert (blank.all(1) == blank.any(1)).all(), "all channels alike"
    rows, columns = (blank[:, 0].any(axis).sum(1) for axis in (2, 1))
    assert rows.max() == columns.max() == side
    assert (rows * columns == blank[:, 0].sum((1, 2))).all()
    assert rows.min() >= 1


def test_float_images_keep_their_dtype():
    images = torch.rand(8, 3, 12, 12, dtype=torch.float64)
    assert run(FULL, images).dtype == torch.float64
    assert run(EXACT, images).dtype == torch.float64


@pytest.mark.parametrize("wrong", [{"crop": -1}, {"cutout": -2}, {"rotation": -1.0}, {"rotation": 200.0}])
def test_bad_values_are_refused(wrong):
    with pytest.raises(UserError, match=r"augment\."):
        Augment(**wrong)
