"""Where a run begins and what of it rests: as it is typed, and what does not go together."""

from pathlib import Path

import pytest

from high_order_nets.config.compose import plan
from high_order_nets.config.overrides import parse
from high_order_nets.errors import UserError
from high_order_nets.run.folder import Run
from tests.experiments import composed


def test_a_place_is_as_seen_from_where_it_is_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    for typed, path in {"a,b=3.ckpt": tmp_path / "a,b=3.ckpt", "~/x": home / "x", "/a b/${c}": "/a b/${c}"}.items():
        assert composed(f"init_from={typed}")["init_from"] == {"path": str(path), "partial": False}
    assert composed("init_from=null", "init_from.partial=true")["init_from"] == {"path": None, "partial": True}


def test_a_sweep_may_begin_anew_and_with_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    jobs = plan(parse(["-m", "init_from=null,a,b c", "learning_rate.layer4.0=0.5,0.25"])).jobs
    paths = [None, str(tmp_path / "a"), str(tmp_path / "b c")]
    found = [(job["init_from"]["path"], job["learning_rates"]) for job in jobs]
    assert found == [(path, {"layer4.0": rate}) for path in paths for rate in (0.5, 0.25)]
    assert Run(tmp_path, jobs[0]).setting("learning_rates.layer4.0") == 0.5


def test_rates_are_told_apart_by_all_of_their_names() -> None:
    words = ("lr=1", "lr.layer4=0.5", "learning_rate.layer4.0.conv1=0.25", "learning_rates={stem:0.125,layer?.0:2}")
    config = composed(*words)
    assert config["learning_rate"] == 1
    assert config["learning_rates"] == {"layer4": 0.5, "layer4.0.conv1": 0.25, "stem": 0.125, "layer?.0": 2}


STANDARD = "model_name=resnet18 layer_type=standard pretrained=true"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("init_from=", "init_from=: expected a run's folder, a checkpoint or a file of weights"),
        ("learning_rate.layer4.*=0.1", r"learning_rate.layer4.\*: .*mean learning_rates={layer4.\*:0.01}\?"),
        ("learning_rate.layer4=0", "learning_rates={layer4: 0}: expected numbers above 0"),
        ("learning_rate.layer4=0.1 optimizer=lbfgs", "learning_rate.layer4=0.1: optimizer=lbfgs has one rate"),
        ("stage_lr=0.5 layer_by_layer=true", "stage_lr=0.5: layer_by_layer=true trains each stage at one rate"),
        ("stage_lr=2", r"stage_lr=2: expected a number in \(0, 1\]"),
        ("freeze=[stem] layer_by_layer=true", "freeze=.*: layer_by_layer=true freezes stages itself"),
        ("freeze=3", "freeze=3: expected a list of names or a name"),
        ("unfreeze_at=3", "unfreeze_at=3: nothing is frozen"),
        ("freeze=stem unfreeze_at=12", "unfreeze_at=12: training ends after max_epochs=12"),
        ("freeze=stem unfreeze_at=3 trainer=ddp", "unfreeze_at=3: one process alone can unfreeze"),
        ("pretrained=true", "pretrained=true: torchvision has no weights of model_name=resnet10_small"),
        ("pretrained=true model_name=resnet18", "pretrained=true: the layers of layer_type=polynomial2d begin anew"),
        (f"{STANDARD} init_from=x", "pretrained=true: init_from=.*x has other weights"),
        (f"{STANDARD} width=0.5", "width=0.5: torchvision's weights are of width=1"),
        (f"{STANDARD} stem=cifar", "stem=cifar: torchvision's weights are of stem=imagenet"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(line: str, message: str) -> None:
    with pytest.raises(UserError, match=f"^{message}") as refused:
        composed(*line.split())
    assert "\n" not in str(refused.value)


def test_knobs_without_effect_are_named() -> None:
    assert "init_from.partial" in composed("init_from.partial=true")["unread"]
    assert {"dataset.normalize", "dataset.interval"} <= set(composed("dataset=cifar10", *STANDARD.split())["unread"])
    assert "unfreeze_at" in composed("freeze=stem", "unfreeze_at=3", "trainer=debug")["unread"]
