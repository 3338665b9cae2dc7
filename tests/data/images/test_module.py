import json
import logging
from random import Random
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import nn

from high_order_nets.data.factory import image_data_module
from high_order_nets.data.images.augment import Augment
from high_order_nets.data.images.mix import Mix
from high_order_nets.data.images.module import ImageDataModule, ImageSettings
from high_order_nets.data.images.normalise import Normalisation
from high_order_nets.errors import UserError
from tests.data.conftest import make_images

CONFIG: dict[str, Any] = {
    "dataset": {
        "name": "digits",
        "root": "/nonexistent",
        "subset": "random",
        "normalize": "interval",
        "interval": 4.0,
        "image_size": None,
        "augment": {"crop": 1, "flip": False, "rotation": 10.0, "cutout": 0},
    },
    "batch_size": 32,
    "seed": 1,
    "train_fraction": 0.5,
    "val_fraction": 0.2,
    "augment": True,
    "num_workers": 0,
}


def make_module(count: int = 40, **settings) -> ImageDataModule:
    return ImageDataModule(make_images(count=count), ImageSettings(**{"batch_size": 8, **settings}))


class Recorder(pl.LightningModule):
    """Keeps every batch that Lightning hands it."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 1)
        self.train_batches, self.eval_batches = [], []

    def training_step(self, batch):
        self.train_batches.append(batch)
        return self.layer(torch.ones(1, 1, dtype=self.layer.weight.dtype)).sum()

    def validation_step(self, batch):
        self.eval_batches.append(batch)

    def test_step(self, batch):
        self.eval_batches.append(batch)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.0)


def make_trainer(**options) -> pl.Trainer:
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    return pl.Trainer(accelerator="cpu", enable_checkpointing=False, max_epochs=2, **quiet, **options)


lightning = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers",
    "ignore:.*logging interval",
    "ignore:.*LeafSpec.*:FutureWarning",  # Lightning 2.6.6 beside newer torch
)


@pytest.mark.parametrize("interval", [2.0, 4.0])
def test_interval_fills_the_interval(interval):
    module = make_module(interval=interval)
    inputs = module.prepare(torch.tensor([0, 255]).to(torch.uint8).view(2, 1, 1, 1).expand(2, 3, 8, 8))
    torch.testing.assert_close(inputs[0], torch.full((3, 8, 8), -interval / 2))
    torch.testing.assert_close(inputs[1], torch.full((3, 8, 8), interval / 2))


def test_standard_is_mean_0_and_two_standard_deviations():
    module = make_module(normalize="standard", interval=2.0, train_fraction=0.5)
    pixels = module.data.train_images[module.train_indices].double()
    inputs = module.prepare(pixels.byte(), torch.float64)
    mean, std = (f((0, 2, 3), keepdim=True) for f in (pixels.mean, lambda *a, **k: pixels.std(*a, correction=0, **k)))
    torch.testing.assert_close(inputs, (pixels - mean) / (2 * std))


def test_standard_of_a_flat_image_is_finite():
    flat = torch.full((4, 1, 8, 8), 7, dtype=torch.uint8)
    assert torch.equal(Normalisation.to_standard(flat, 2.0)(flat), torch.zeros(4, 1, 8, 8))


def test_normalisation_can_be_saved_and_rebuilt():
    module = make_module(normalize="standard", image_size=16)
    numbers = json.loads(json.dumps(module.normalisation))
    assert set(numbers) == {"offset", "factor", "image_size"}
    images = module.data.test_images
    assert torch.equal(Normalisation(**numbers)(images), module.prepare(images))


def test_images_are_resized():
    module = make_module(image_size=16)
    assert module.image_size == 16
    inputs = module.prepare(module.data.test_images)
    expected = F.interpolate(module.data.test_images / 127.5 - 1, (16, 16), mode="bilinear", align_corners=False)
    torch.testing.assert_close(inputs, expected, atol=1e-5, rtol=1e-4)


def test_properties_describe_the_data():
    module = make_module()
    assert (module.channels, module.image_size, module.num_classes) == (3, 8, 3)
    assert module.classes == ("a", "b", "c")


def test_no_validation_split_has_no_loader():
    assert make_module().val_dataloader() == []
    module = make_module(val_fraction=0.25)
    assert (len(module.train_indices), len(module.val_indices)) == (30, 10)


@lightning
def test_lightning_advances_the_epoch_and_evaluation_is_not_augmented():
    module = make_module(val_fraction=0.2, augment=Augment(crop=1, flip=True, rotation=5.0))
    recorder, trainer = Recorder(), make_trainer()
    trainer.fit(recorder, datamodule=module)
    assert len(recorder.train_batches) == 2 * 4
    expected = []
    loader = make_module(val_fraction=0.2).train_dataloader()
    for epoch in range(2):
        loader.sampler.set_epoch(epoch)  # pyright: ignore[reportAttributeAccessIssue]
        for images, labels, seed in loader:
            augment = Augment(crop=1, flip=True, rotation=5.0)
            expected.append((module.prepare(augment(images, torch.Generator().manual_seed(seed))), labels))
    for found, wanted in zip(recorder.train_batches, expected, strict=True):
        assert torch.equal(found[0], wanted[0])
        assert torch.equal(found[1], wanted[1])

    seen = torch.cat([images for images, _ in recorder.eval_batches[-1:]])
    assert torch.equal(seen, module.prepare(module.data.train_images[module.val_indices]))
    recorder.eval_batches.clear()
    trainer.test(recorder, datamodule=module, verbose=False)
    assert torch.equal(
        torch.cat([images for images, _ in recorder.eval_batches]), module.prepare(module.data.test_images)
    )


@lightning
def test_batches_are_mixed_by_their_seed_until_an_epoch_and_in_training_alone():
    mix = Mix(mixup=0.4, cutmix=1.0, mix_probability=0.7, mix_until=0.5)
    module = make_module(val_fraction=0.2, augment=Augment(flip=True), mix=mix)
    recorder = Recorder()
    make_trainer().fit(recorder, datamodule=module)
    loader = module.train_dataloader()
    expected = []
    for epoch in range(2):
        loader.sampler.set_epoch(epoch)  # pyright: ignore[reportAttributeAccessIssue]
        for images, labels, seed in loader:
            inputs = module.prepare(Augment(flip=True)(images, torch.Generator().manual_seed(seed)))
            expected.append((inputs, labels) if epoch else mix(inputs, labels, 3, Random(seed)))
    for found, wanted in zip(recorder.train_batches, expected, strict=True):
        assert torch.equal(found[0], wanted[0])
        assert torch.equal(found[1], wanted[1])
    assert {labels.dim() for _, labels in recorder.train_batches[:4]} == {1, 2}
    assert {labels.dim() for _, labels in recorder.train_batches[4:] + recorder.eval_batches} == {1}


@lightning
@pytest.mark.parametrize(("precision", "dtype"), [("32-true", torch.float32), ("64-true", torch.float64)])
def test_inputs_have_the_dtype_of_the_network(precision, dtype):
    recorder = Recorder()
    make_trainer(precision=precision).fit(
        recorder, datamodule=make_module(val_fraction=0.2, augment=Augment(rotation=5.0))
    )
    assert {images.dtype for images, _ in recorder.train_batches + recorder.eval_batches} == {dtype}


@lightning
@pytest.mark.filterwarnings("ignore:Total length of `list` across ranks is zero")
def test_no_split_trains_without_validation():
    recorder = Recorder()
    make_trainer().fit(recorder, datamodule=make_module())
    assert not recorder.eval_batches


def test_module_from_a_run_config():
    module = image_data_module(CONFIG)
    assert (len(module.train_indices), len(module.val_indices)) == (575, 144)
    assert module.settings.augment == Augment(crop=1, rotation=10.0)
    assert module.settings.interval == 4.0
    off = image_data_module(CONFIG | {"augment": False}).settings
    assert (off.augment, off.mix) == (None, None)
    dataset = CONFIG["dataset"] | {"augment": {"crop": 2, "cutmix": 1.0, "mix_until": 0.9}}
    on = image_data_module(CONFIG | {"dataset": dataset}).settings
    assert (on.augment, on.mix) == (Augment(crop=2), Mix(cutmix=1.0, mix_until=0.9))


@pytest.mark.parametrize(
    "wrong", [{"batch_size": 0}, {"num_workers": -1}, {"normalize": "no"}, {"interval": 0.0}, {"image_size": 0}]
)
def test_bad_settings_are_refused(wrong):
    with pytest.raises(UserError, match=f"{next(iter(wrong))}="):
        ImageSettings(**wrong)
