"""What a task says to Lightning and keeps for a checkpoint, by values worked out by hand."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

from high_order_nets.errors import Diverged
from high_order_nets.layers import HighOrderActivation, HighOrderLinear
from high_order_nets.tasks import Classification
from high_order_nets.tasks.base import _gathered
from high_order_nets.tasks.classification import LOSSES
from high_order_nets.training.callbacks.lines import Silence


class Seen(nn.Module):
    """Images are logits already: (batch, classes, 1, 1) → (batch, classes). Keeps the last images."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        self.images = x
        return x.flatten(1) * self.scale


def sgd(net: nn.Module, steps: int) -> Any:
    return torch.optim.SGD(net.parameters(), lr=0.0)


def as_images(logits: Any) -> Tensor:
    return torch.tensor(logits, dtype=torch.float32)[:, :, None, None]


# Descending: class c has rank c + 1.
FIRST = as_images([[6.0, 5, 4, 3, 2, 1, 0]] * 3), torch.tensor([0, 0, 1])  # acc 2/3, acc5 3/3
SECOND = as_images([[6.0, 5, 4, 3, 2, 1, 0]]), torch.tensor([6])  # 0 and 0


def test_an_epoch_is_the_mean_over_its_images_and_a_step_its_own() -> None:
    calls = []

    def make(net: nn.Module, steps: int) -> Any:
        calls.append((net, steps))
        return sgd(net, steps)

    net = Seen()
    task = Classification(net, 7, make, label_smoothing=0.25)
    options: dict[str, Any] = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = pl.Trainer(accelerator="cpu", max_epochs=3, enable_model_summary=False, callbacks=[Silence()], **options)
    batches: Any = [FIRST, SECOND]
    trainer.fit(task, DataLoader(batches, batch_size=None), DataLoader(batches, batch_size=None))
    assert calls == [(net, 6)]
    logits, labels = (torch.cat(parts) for parts in zip(FIRST, SECOND, strict=True))
    logits = logits.flatten(1)
    smooth = F.cross_entropy(logits, labels, label_smoothing=0.25).item()
    last = F.cross_entropy(logits[-1:], labels[-1:], label_smoothing=0.25).item()
    expected = {"train_loss_step": last, "train_loss_epoch": smooth, "train_acc": 0.5, "train_acc5": 0.75}
    expected |= {"val_loss": F.cross_entropy(logits, labels).item(), "val_acc": 0.5, "val_acc5": 0.75}
    # Lightning keeps the step's loss under a plain name too where the epoch's has the ending.
    for found in (trainer.callback_metrics, trainer.progress_bar_metrics):
        assert {key: float(found[key]) for key in expected} == pytest.approx(expected)
        assert not any("step_" in key or key.startswith(("acc", "loss")) for key in found)


def test_equal_figures_of_the_first_batch_do_not_tie_the_accuracies() -> None:
    figures: Any = Classification(Seen(), 7, sgd).figures["test_"]
    for labels in (torch.tensor([0, 0]), torch.tensor([1, 2])):
        logits = FIRST[0][:2].flatten(1)
        figures.update(preds=logits, target=labels, value=torch.ones(2))
    assert {key: float(value) for key, value in figures.compute().items() if key != "test_ece"} == {
        "test_acc": 0.5,
        "test_acc5": 1.0,
        "test_loss": 1.0,
    }


@pytest.mark.parametrize("classes", [2, 4])
def test_few_classes_are_all_among_the_best_five(classes: int) -> None:
    figures: Any = Classification(Seen(), classes, sgd).figures["val_"]
    logits = torch.arange(float(classes)).repeat(3, 1)
    figures.update(preds=logits, target=torch.zeros(3, dtype=torch.int64), value=torch.zeros(3))
    assert (float(figures.compute()["val_acc"]), float(figures.compute()["val_acc5"])) == (0.0, 1.0)


def test_losses_by_hand() -> None:
    logits, labels = torch.tensor([[1.0, 0.0, 2.0]]), torch.tensor([0])  # one-hot 1, 0, 0
    assert float(LOSSES["mse"](logits, labels, 0.5)) == pytest.approx(4 / 3)
    log_sum = math.log(math.e + 1 + math.e**2)
    plain, uniform = log_sum - 1, log_sum - 1
    assert float(LOSSES["cross_entropy"](logits, labels, 0.0)) == pytest.approx(plain)
    assert float(LOSSES["cross_entropy"](logits[:, [1, 0, 2]], labels, 0.5)) == pytest.approx(
        0.5 * log_sum + 0.5 * uniform
    )


def test_a_task_smooths_nothing_and_keeps_no_graph_unless_asked() -> None:
    task = Classification(Seen(), 7, sgd)
    task.log_dict = task.log = lambda *_, **__: None
    loss = task.training_step(FIRST)
    assert loss.item() == pytest.approx(float(F.cross_entropy(FIRST[0].flatten(1), FIRST[1])))
    task.backward(loss)
    assert not task.net.scale.grad.requires_grad


@pytest.mark.filterwarnings("ignore:Using backward")
def test_a_graph_is_kept_where_asked_for() -> None:
    net = Seen()
    Classification(net, 7, sgd, create_graph=True).backward((net.scale**2).sum())
    assert net.scale.grad.requires_grad
    net.scale.grad = None


def test_images_come_in_the_dtype_and_memory_format_of_the_network() -> None:
    images = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
    for channels_last in (False, True):
        task = Classification(Seen(), 48, sgd, channels_last=channels_last).double()
        task(images)
        assert task.net.images.dtype == torch.float64
        assert task.net.images.is_contiguous(memory_format=torch.channels_last) == channels_last


def test_weights_of_high_order_layers_alone_are_clamped() -> None:
    net: Any = nn.Sequential(
        HighOrderLinear(2, 2, "polynomial", n=2), nn.Linear(2, 2), HighOrderActivation(2, "polynomial", n=2)
    )
    for module in net[:2]:
        nn.init.constant_(module.weight, -3.0)
    net[0].weight.data[0] = 3.0
    for limit, expected in ((None, 3.0), (0.5, 0.5)):
        Classification(net, 2, sgd, clamp_weights=limit).on_train_batch_end(None, None, 0)
        assert net[0].weight[0].eq(expected).all()
        assert net[0].weight[1].eq(-expected).all()
        assert net[1].weight.eq(-3.0).all()
        assert net[2].weight.eq(1.0).all()  # which is no parameter


@pytest.mark.parametrize("split", ["training", "validation", "test"])
def test_a_loss_that_is_not_finite_is_explained_and_raised(split: str) -> None:
    task = Classification(Seen(), 7, sgd)
    explained = []
    task.explain = explained.append
    name = {"training": "train", "validation": "val"}.get(split, split)
    message = (
        rf"^the {name} loss is nan at step 0 \(epoch 0\); a smaller learning_rate, a gradient_clip_val or "
        r"domain=tanh may help$"
    )
    with pytest.raises(Diverged, match=message) as raised:
        getattr(task, f"{split}_step")((FIRST[0] * float("nan"), FIRST[1]))
    assert explained == [raised.value]


class Grows:
    """A callback that changes the network; what it saw."""

    state_key = "grows"

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def rebuild(self, pl_module: pl.LightningModule, state: dict[str, Any]) -> None:
        self.seen.append(("rebuild", pl_module, state))


@pytest.mark.parametrize(("rank", "row"), [(0, 0), (1, 1), (5, 1)])
def test_running_figures_go_on_by_the_process(rank: int, row: int) -> None:
    task, other = Classification(Seen(), 7, sgd), Classification(Seen(), 7, sgd)
    callback = Grows()
    convert: Any = SimpleNamespace(convert_module=lambda module: callback.seen.append(("convert", module)))
    for each in (task, other):
        each._trainer = SimpleNamespace(
            world_size=1, global_rank=rank, callbacks=[object(), callback], precision_plugin=convert
        )
        each.log_dict = each.log = lambda *_, **__: None
    task.training_step(FIRST)
    saved: dict[str, Any] = {"callbacks": {"grows": {"n": 3}}}
    task.on_save_checkpoint(saved)
    rows = saved["running"]
    assert {key: value[0].sum().item() for key, value in rows.items() if value.sum() and "acc." in key} == {
        "acc.tp": 2.0,
        "acc.fp": 1.0,
        "acc.tn": 17.0,
        "acc.fn": 1.0,
    }
    assert all(len(value) == 1 for value in rows.values())
    saved["running"] = {key: torch.cat([torch.zeros_like(value), value]) for key, value in rows.items()}
    other.on_load_checkpoint(saved)
    assert callback.seen == [("rebuild", other, {"n": 3}), ("convert", other)]
    for key, value in other._running().items():
        assert value.equal(saved["running"][key][row]), key
    saved["callbacks"] = {}
    other.on_load_checkpoint(saved)
    assert callback.seen[2] == ("rebuild", other, {})
    other.setup("fit")
    assert all(value.eq(0).all() for value in other._running().values())


def test_each_process_has_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def all_gather(rows: list[Tensor], value: Tensor) -> None:
        for rank, row in enumerate(rows):
            row.copy_(value + rank)

    monkeypatch.setattr(torch.distributed, "all_gather", all_gather)
    value = torch.tensor([4.0, 5.0])
    assert _gathered(value, 3).tolist() == [[4.0, 5.0], [5.0, 6.0], [6.0, 7.0]]
    assert _gathered(value, 1).tolist() == [[4.0, 5.0]]
