"""dataset.split: settings are chosen on images that are neither trained on nor the test images."""

from pathlib import Path

import pytest
import torch

from high_order_nets import cli
from high_order_nets.data.images.digits import load_digits
from high_order_nets.data.images.tensors import ImageData
from high_order_nets.errors import UserError
from high_order_nets.run.folder import metrics_of


def numbered(counts: list[int]) -> ImageData:
    """Make a data set whose images are their own numbers, so many of each class, the test images 255."""
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))[torch.randperm(sum(counts))]
    images = torch.arange(sum(counts), dtype=torch.uint8).view(-1, 1, 1, 1)
    return ImageData(
        "numbers", tuple("abc"), images, labels, torch.full((5, 1, 1, 1), 255, dtype=torch.uint8), labels[:5]
    )


def test_dev_holds_out_a_tenth_of_each_class_and_none_of_the_test_images() -> None:
    data = numbered([20, 40, 60])
    dev = data.split("dev")
    assert torch.bincount(dev.test_labels).tolist() == [2, 4, 6]
    assert torch.bincount(dev.train_labels).tolist() == [18, 36, 54]
    both = torch.cat([dev.train_images, dev.test_images]).flatten()
    assert torch.equal(both.sort().values, torch.arange(120, dtype=torch.uint8))
    assert torch.equal(dev.test_labels, data.train_labels[dev.test_images.flatten().long()])
    assert data.split("official") is data


def test_dev_is_the_same_split_in_every_run() -> None:
    first, second = (load_digits().split("dev") for _ in range(2))
    assert torch.equal(first.test_images, second.test_images)
    assert (len(first.train_images), len(first.test_images)) == (1295, 143)
    assert first.test_labels[:12].tolist() == [7, 8, 7, 5, 3, 1, 5, 0, 6, 4, 8, 8]


def test_a_tenth_that_is_none_is_refused() -> None:
    with pytest.raises(UserError, match="a tenth of each class of numbers's training images is none"):
        numbered([4, 4, 4]).split("dev")
    with pytest.raises(UserError, match=r"dataset.split=test: expected one of official, dev"):
        numbered([20, 20, 20]).split("test")


def test_a_run_says_what_its_test_is_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = f"dataset=digits dataset.split=dev model_name=simple trainer=debug plots.enabled=false run_dir={tmp_path}"
    assert cli.main(["train", *line.split()]) == 0
    assert "the figures of the test are of 143 of the training images" in capsys.readouterr().err
    assert metrics_of(tmp_path)["status"] == "finished"
