"""What every task has from its base: objectives, clipping, and layers that take another size when they are loaded."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
import yaml
from torch import Tensor, nn
from torch.utils.data import DataLoader

from high_order_nets.errors import Diverged
from high_order_nets.paths import conf_dir
from high_order_nets.tasks import Classification, Task
from high_order_nets.training.callbacks.lines import Silence

BATCH = torch.tensor([[1.0, 2.0], [3.0, -1.0], [0.5, 0.5]])[:, :, None, None], torch.tensor([0, 1, 1])


class Distance:
    """Adds the squared distance of the outputs to those of a frozen teacher."""

    def __init__(self) -> None:
        self.teacher = nn.Sequential(nn.Flatten(), nn.Linear(2, 2))
        self.task: Task | None = None

    def attach(self, task: Task) -> None:
        self.task = task

    def __call__(self, loss: Tensor, batch: Any, outputs: Tensor | None) -> Tensor:
        assert outputs is not None
        return loss + ((outputs - self.teacher(batch[0]).detach()) ** 2).mean()


class Clipping(torch.optim.SGD):
    """An optimizer that clips its gradients by itself."""

    clipped: list[float]

    def clip_gradients(self, max_norm: float) -> None:
        self.clipped = [*getattr(self, "clipped", []), max_norm]


class Growing(nn.Linear):
    """A layer that takes the size of what it is loaded with."""

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        self.weight = nn.Parameter(torch.empty_like(args[0][f"{args[1]}weight"]))
        super()._load_from_state_dict(*args, **kwargs)


def net(layer: type[nn.Linear] = nn.Linear) -> nn.Module:
    return nn.Sequential(nn.Flatten(), layer(2, 2, bias=False))


def fit(task: Task, batch: Any = BATCH, **options: Any) -> pl.Trainer:
    quiet: dict[str, Any] = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    quiet |= {"enable_model_summary": False, "accelerator": "cpu", "callbacks": [Silence()], "log_every_n_steps": 1}
    trainer = pl.Trainer(max_epochs=2, **quiet, **options)
    loader: Any = DataLoader([batch], batch_size=None)  # type: ignore[arg-type]
    trainer.fit(task, loader, loader)
    return trainer


def sgd(cls: type[torch.optim.Optimizer] = torch.optim.SGD) -> Callable[[nn.Module, int], Any]:
    return lambda net, _: cls(net.parameters(), lr=0.1)  # type: ignore[call-arg]


@pytest.mark.parametrize("file", sorted((conf_dir() / "task").glob("*.yaml")), ids=lambda file: file.stem)
def test_a_task_is_known_by_its_file(file: Path) -> None:
    said = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert said["name"] == file.stem
    assert Task.registry[file.stem].headline == said["headline"]  # which a search reads without torch


def test_an_objective_stands_in_place_of_the_loss_in_training_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    objective = Distance()
    task = Classification(net(), 2, sgd(), objective=objective)
    assert objective.task is task
    assert set(task.state_dict()) == {"net.1.weight"}  # nothing of the teacher
    plain = float(Classification(task.net, 2, sgd()).outcome(BATCH, "train").loss.detach())
    with torch.no_grad():
        distance = float(((task(BATCH[0]) - objective.teacher(BATCH[0])) ** 2).mean())
    logged: dict[str, Any] = {}
    monkeypatch.setattr(task, "log_dict", lambda *_, **__: None)
    monkeypatch.setattr(task, "log", lambda name, value, **_: logged.update({name: value.item()}))
    assert task.training_step(BATCH).item() == pytest.approx(plain + distance)
    assert logged == {"train_loss_step": pytest.approx(plain)}
    before = [parameter.clone() for parameter in objective.teacher.parameters()]
    fit(Classification(net(), 2, sgd(), objective=objective))
    assert all(map(torch.equal, before, objective.teacher.parameters()))


def test_an_objective_that_is_not_finite_ends_the_run() -> None:
    class Broken(Distance):
        def __call__(self, loss: Tensor, batch: Any, outputs: Tensor | None) -> Tensor:
            return loss * float("nan")

    with pytest.raises(Diverged, match=r"^the training objective is nan at step 0 "):
        fit(Classification(net(), 2, sgd(), objective=Broken()))


@pytest.mark.parametrize(("limit", "clipped"), [(0.5, [0.5, 0.5]), (None, [])])
def test_an_optimizer_may_clip_by_itself(limit: float | None, clipped: list[float]) -> None:
    trainer = fit(Classification(net(), 2, sgd(Clipping)), gradient_clip_val=limit)
    assert getattr(trainer.optimizers[0], "clipped", []) == clipped


def test_lightning_clips_for_all_others() -> None:
    task = Classification(net(), 2, lambda net, _: torch.optim.SGD(net.parameters(), lr=1.0))
    before = task.net[1].weight.detach().clone()  # type: ignore[index]
    fit(task, gradient_clip_val=1e-6)
    assert float((task.net[1].weight.detach() - before).norm()) <= 3e-6  # type: ignore[index]


def test_a_layer_may_take_another_size_when_it_is_loaded() -> None:
    grown = Classification(nn.Sequential(nn.Flatten(), nn.Linear(2, 5, bias=False)), 5, sgd())
    task = Classification(net(Growing), 2, sgd())
    task.load_state_dict(grown.state_dict())
    assert task.net[1].weight.shape == (5, 2)  # type: ignore[index]
