"""A whole run: what it writes, and that the figures are what they say."""

import json
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors import safe_open

from high_order_nets.config import knobs
from high_order_nets.config.catalogue import choices_of
from high_order_nets.conversion import swaps
from high_order_nets.errors import Diverged, UserError
from high_order_nets.run.history import read_history
from high_order_nets.training import run

FAST = ("model_name=simple", "dataset=digits", "max_epochs=1", "train_fraction=0.3")


def test_a_run_writes_everything(trained, tmp_path: Path) -> None:
    metrics = trained(*FAST, "max_epochs=2", "val_fraction=0.2")
    folder = tmp_path / "run"
    for split in ("train", "val", "test"):
        assert {f"{split}_acc", f"{split}_acc5", f"{split}_loss"} <= set(metrics)
    assert metrics["status"] == "finished"
    assert metrics["tested"] == "best"
    assert metrics["epochs"] == 2
    for key in ("parameters", "macs", "seconds", "images_per_second", "seconds_per_epoch"):
        assert metrics[key] > 0
    assert {"versions", "device", "command", "seed"} <= set(metrics)
    assert (folder / "config.yaml").exists()
    assert list((folder / "tensorboard").glob("events.out.*"))
    names = {path.name for path in (folder / "checkpoints").iterdir()}
    assert names == {"best.ckpt", "last.ckpt", "previous.ckpt"}
    with safe_open(folder / "model.safetensors", "pt") as file:
        assert json.loads(file.metadata()["metrics"])["test_acc"] == metrics["test_acc"]
        assert len(json.loads(file.metadata()["classes"])) == 10


def test_the_validation_figures_are_those_of_the_tested_weights(trained, tmp_path: Path) -> None:
    metrics = trained(*FAST, "max_epochs=4", "val_fraction=0.2", "scheduler=none", "learning_rate=8", "domain=linear")
    scores = [row["val_acc"] for row in read_history(tmp_path / "run" / "history.csv")]
    assert metrics["tested_epoch"] == scores.index(max(scores)) + 1 < 4
    assert metrics["val_acc"] == pytest.approx(max(scores))


def test_without_validation_the_last_is_tested(trained, tmp_path: Path) -> None:
    metrics = trained(*FAST)
    assert (metrics["tested"], metrics["tested_epoch"]) == ("last", 1)
    assert not [key for key in metrics if key.startswith("val_")]
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["last.ckpt"]


def test_default_network_learns_the_digits(trained) -> None:
    metrics = trained("dataset=digits", "max_epochs=4")
    assert metrics["test_acc"] > 0.85


def test_the_command_line_knows_the_activations_and_norms_of_convert() -> None:
    assert set(knobs.ACTIVATIONS) == {"auto", "none", "keep", *swaps.ACTIVATIONS}
    assert set(choices_of("norm")) == set(swaps.NORMS)


def test_every_device_trains(trained, device: str) -> None:
    accelerator = {"cpu": "cpu", "cuda": "gpu"}[device]
    assert trained(*FAST, f"trainer={accelerator}")["device"].startswith("cpu") == (device == "cpu")


def test_the_same_seed_gives_the_same_run(settings, tmp_path: Path) -> None:
    first = run.train(settings(*FAST), tmp_path / "a")
    torch.rand(7)  # nothing else that draws random numbers may matter
    assert run.train(settings(*FAST), tmp_path / "b") == first
    states = [torch.load(tmp_path / name / "checkpoints/last.ckpt", weights_only=True) for name in "ab"]
    assert all(states[0]["state_dict"][key].equal(value) for key, value in states[1]["state_dict"].items())


@pytest.mark.parametrize(
    "extra", [(), ("val_fraction=0.2",), ("layer_by_layer=true", "max_epochs=2"), ("dataset=cifar100",)]
)
def test_test_repeats_the_figures_from_the_checkpoint_alone(trained, tmp_path: Path, extra: tuple[str, ...]) -> None:
    metrics = trained(*FAST, *extra)
    name = "best" if metrics["tested"] == "best" else "last"
    assert run.test(tmp_path / "run" / "checkpoints" / f"{name}.ckpt") == metrics["test_acc"]


def test_a_checkpoint_of_another_model_is_refused(trained, tmp_path: Path) -> None:
    trained(*FAST)
    path = tmp_path / "run" / "checkpoints" / "last.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["config"]["linear_output"] = False
    torch.save(checkpoint, path)
    with pytest.raises(UserError, match="another model"):
        run.test(path)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 truncated"])
def test_unreadable_checkpoints_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.ckpt"
    path.write_bytes(content)
    with pytest.raises(UserError, match="not a readable checkpoint"):
        run.test(path)


def test_a_checkpoint_that_runs_code_is_refused(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "marker",))

    torch.save({"state_dict": {}, "config": Hostile()}, tmp_path / "x.ckpt")
    with pytest.raises(UserError):
        run.test(tmp_path / "x.ckpt")
    assert not (tmp_path / "marker").exists()


def test_a_run_that_failed_before_training_may_be_tried_again(trained, tmp_path: Path) -> None:
    with pytest.raises(UserError):
        trained(*FAST, "skip=nosuch")
    assert trained(*FAST)["status"] == "finished"


def test_divergence_stops_at_the_step(settings, tmp_path: Path) -> None:
    config = settings(*FAST, "learning_rate=1e12", "domain=extrapolate", "norm=none", "gradient_clip_val=0")
    with pytest.raises(Diverged, match=r"the train loss is (nan|inf) at step \d+"):
        run.train(config, tmp_path)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["status"] == "diverged"
    assert "step" in metrics["error"]


def test_divergence_in_evaluation_is_no_result(settings, tmp_path: Path) -> None:
    with pytest.raises(Diverged, match="the test loss is nan"):
        run.train(settings(*FAST, "trainer=debug", "learning_rate=1e30"), tmp_path)
    assert json.loads((tmp_path / "metrics.json").read_text())["status"] == "diverged"


@pytest.mark.parametrize("config", [{}, [], {"dataset": 3}, {"seed": -1}])
def test_foreign_configs_in_checkpoints_are_refused(tmp_path: Path, config: object) -> None:
    torch.save({"state_dict": {}, "config": config}, tmp_path / "x.ckpt")
    with pytest.raises(UserError, match=r"x\.ckpt"):
        run.test(tmp_path / "x.ckpt")


def test_debug_is_one_batch_whatever_else_is_set(trained, tmp_path: Path) -> None:
    metrics = trained(*FAST, "trainer=debug", "max_epochs=100", "batch_size=1000", "val_fraction=0.1")
    assert metrics["epochs"] == 1
    checkpoint = torch.load(tmp_path / "run/checkpoints/last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 1


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "lion", "lbfgs", "adahessian", "sophia"])
def test_optimizers_lower_the_loss(trained, optimizer: str) -> None:
    metrics = trained(*FAST, f"optimizer={optimizer}", "max_epochs=3", "scheduler=none", "warmup_epochs=0")
    assert metrics["train_loss"] < 2.3


@pytest.mark.parametrize("scheduler", ["none", "cosine", "one_cycle", "multistep", "plateau"])
def test_schedulers(trained, scheduler: str) -> None:
    assert trained(*FAST, f"scheduler={scheduler}", "warmup_epochs=0", "max_epochs=2")["epochs"] == 2


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("scheduler=plateau warmup_epochs=1", "warmup_epochs"),
        ("early_stopping=1", "val_fraction"),
        ("layer_by_layer=true max_epochs=1 epochs_per_layer=1", "max_epochs >= 2"),
        ("layer_by_layer=true early_stopping=1 val_fraction=0.1", "layer_by_layer"),
        ("layer_by_layer=true trainer=ddp", "layer_by_layer"),
        ("optimizer.momentum=0", "optimizer=sgd"),
        ("scheduler=plateau scheduler.factor=2", "scheduler=plateau"),
        ("trainer.strategy=foo", "trainer=cpu"),
        ("model_name=resnet10_small norm=instance", "cannot train"),
        ("batch_size=1 model_name=resnet10_small", "cannot train"),
        ("model_name._target_=torchvision.models.get_model", "model_name"),
        ("skip=[nosuch]", "skip=nosuch"),
        ("model_name=alexnet width=0.5 dataset.image_size=64", "width=0.5: AlexNet"),
    ],
)
def test_what_cannot_train_is_refused(trained, overrides: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        trained(*FAST, *overrides.split())


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of the spawned processes
def test_two_processes(trained) -> None:
    metrics = trained(*FAST, "trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "max_epochs=2")
    assert metrics["epochs"] == 2
    assert metrics["status"] == "finished"


def test_clamped_weights_stay_clamped(trained, tmp_path: Path) -> None:
    trained(*FAST, "clamp_weights=0.01")
    state = torch.load(tmp_path / "run/checkpoints/last.ckpt", weights_only=True)["state_dict"]
    assert state["net.features.layer1.0.0.weight"].abs().max() <= 0.0101


@pytest.mark.parametrize("precision", ["bf16-mixed", "64-true"])
def test_precisions(trained, precision: str) -> None:
    assert trained(*FAST, f"precision={precision}")["test_loss"] < 10


def test_channels_last(trained) -> None:
    assert trained(*FAST, "channels_last=true")["test_loss"] < 10


@pytest.mark.slow
def test_compiled(trained) -> None:
    assert trained(*FAST, "compile=true")["test_loss"] < 10


def test_mean_squared_error(trained) -> None:
    assert trained(*FAST, "loss=mse")["test_loss"] < 1


def test_layer_by_layer_trains_each_stage_in_turn(trained, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    metrics = trained(*FAST, "max_epochs=4", "layer_by_layer=true", "epochs_per_layer=2")
    stages = [message for message in caplog.messages if "training stage" in message]
    assert stages == [f"layer by layer: training stage {k} of 2" for k in (1, 2)]
    assert metrics["test_acc"] > 0.1


def test_early_stopping_stops(trained) -> None:
    hopeless = ("learning_rate=1e-12", "scheduler=none", "norm=none", "max_epochs=9", "val_fraction=0.3")
    assert trained(*FAST, *hopeless, "early_stopping=1")["epochs"] < 9


def test_no_data_names_the_way_out(settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(torchvision.datasets.utils, "_urlretrieve", offline)
    with pytest.raises(UserError, match="dataset=digits"):
        run.train(settings("dataset=cifar10", f"dataset.root={tmp_path / 'empty'}"), tmp_path / "run")
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["status"] == "failed"
