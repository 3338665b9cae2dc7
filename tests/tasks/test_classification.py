"""The classification task's losses and figures."""

from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader

from high_order_nets.errors import Diverged
from high_order_nets.tasks import Classification
from high_order_nets.tasks.classification import LOSSES
from high_order_nets.training.callbacks.lines import Silence


def test_cross_entropy_with_label_smoothing() -> None:
    logits, labels = torch.randn(5, 4), torch.tensor([0, 1, 2, 3, 0])
    target = torch.nn.functional.one_hot(labels, 4) * 0.8 + 0.05
    expected = -(target * logits.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(LOSSES["cross_entropy"](logits, labels, 0.2), expected)


def test_mean_squared_error_is_zero_at_the_one_hot_labels() -> None:
    labels = torch.tensor([2, 0])
    assert LOSSES["mse"](torch.eye(3)[labels], labels, 0.0) == 0


def test_labels_may_be_shares_of_classes() -> None:
    logits, labels = torch.randn(3, 4), torch.tensor([1, 3, 0])
    one_hot = torch.eye(4)[labels]
    shares = 0.7 * one_hot + 0.3 * one_hot.roll(1, 0)
    smooth = 0.9 * shares + 0.1 / 4
    expected = -(smooth * logits.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(LOSSES["cross_entropy"](logits, shares, 0.1), expected)
    torch.testing.assert_close(LOSSES["mse"](logits, shares, 0.0), (logits - shares).square().mean())
    torch.testing.assert_close(
        LOSSES["cross_entropy"](logits, one_hot, 0.1), LOSSES["cross_entropy"](logits, labels, 0.1)
    )
    task = Classification(nn.Flatten(), 4, lambda _net, _steps: None)
    outcome = task.outcome((one_hot.view(3, 4, 1, 1), shares), "train")
    assert torch.equal(outcome.metrics["target"], labels)
    assert outcome.items == 3


@pytest.mark.parametrize("step", ["training_step", "validation_step", "test_step"])
def test_a_non_finite_loss_is_never_passed_on(step: str) -> None:
    net = nn.Linear(2, 3)
    nn.init.constant_(net.weight, float("nan"))
    task = Classification(nn.Sequential(nn.Flatten(), net), 3, lambda _net, _steps: None)
    with pytest.raises(Diverged, match=r"loss is nan at step 0"):
        getattr(task, step)((torch.ones(4, 2, 1, 1), torch.tensor([0, 1, 2, 0])))


def test_a_test_of_mirror_images_is_of_the_mean_logits() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(8, 3))
    task = Classification(net, 3, lambda *_: None, test_flip=True, ema_decay=0.9)
    images, labels = torch.randn(40, 1, 2, 4), torch.randint(0, 3, (40,))
    averaged = task.averaged
    assert averaged is not None
    averaged.net[1].weight.data.normal_()  # type: ignore[index]
    loader: Any = DataLoader([(images, labels)], batch_size=None)  # type: ignore[arg-type]
    trainer = pl.Trainer(logger=False, enable_progress_bar=False, accelerator="cpu", callbacks=[Silence()])
    trainer.test(task, loader, verbose=False)
    mirrored = images[..., [3, 2, 1, 0]]
    for name, each in {"": net, "ema_": averaged.net}.items():
        with torch.no_grad():
            logits = (each(images) + each(mirrored)) / 2
            plain = each(images)
        found = {key: float(trainer.callback_metrics[f"test_{name}{key}"]) for key in ("flip_acc", "flip_loss", "acc")}
        assert found["flip_acc"] == pytest.approx(float((logits.argmax(1) == labels).double().mean()))
        assert found["flip_loss"] == pytest.approx(float(nn.functional.cross_entropy(logits, labels)))
        assert found["acc"] == pytest.approx(float((plain.argmax(1) == labels).double().mean()))
