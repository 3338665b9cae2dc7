"""Code of one's own in a config: who allows it, what a line may say of it, and what is refused."""

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from high_order_nets import cli
from high_order_nets.allow import Allowance
from high_order_nets.config.offered import GIVEN
from high_order_nets.data.factory import make_data
from high_order_nets.data.images.normalise import Normalisation
from high_order_nets.data.spec import ImageSpec, PointSpec, TextSpec
from high_order_nets.errors import UserError
from high_order_nets.models.factory import layer_type, network
from high_order_nets.optim.factory import make_optimizer
from high_order_nets.tasks.losses import OwnLoss
from tests.config.own_code import SOURCE
from tests.experiments import composed
from tests.runner import Runner

Captured = pytest.CaptureFixture[str]
NAME = "code_of_my_own"
DIGITS = ImageSpec(1, 8, tuple("0123456789"), Normalisation.to_interval(1, 2.0, None))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give a folder with a module, and one that leaves a mark when it is imported."""
    place = tmp_path_factory.mktemp("own")
    (place / f"{NAME}.py").write_text(SOURCE)
    (place / "marking.py").write_text(f"__import__('pathlib').Path({str(place / 'marker')!r}).touch()\nx = None\n")
    (place / "broken.py").write_text("import torch\n1 / 0\n")
    yield place
    for name in (NAME, "marking", "broken"):
        sys.modules.pop(name, None)


@pytest.fixture(autouse=True)
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


@pytest.fixture
def granted(folder: Path) -> Iterator[None]:
    with Allowance((NAME,), str(folder)).granted():
        yield


def test_a_model_by_name_has_its_parameters_as_keys(granted: None) -> None:
    config = composed(f"model_name={NAME}.Net", "model_name.hidden=4")
    assert config["model_name"] == {"_target_": f"{NAME}.Net", "hidden": 4, "dropout": 0.0}
    assert config["choices"]["model_name"] == f"{NAME}.Net"
    assert config["allow"] == [NAME]
    assert composed(f"model_name._target_={NAME}.Net", "model_name.hidden=4") == config
    net, report = network(config, DIGITS)
    assert net(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
    assert sum(swap.fresh for swap in report.swapped) == 2


def test_a_builder_needs_what_has_no_default(granted: None) -> None:
    with pytest.raises(UserError, match=rf"model_name.depth: {NAME}.build needs it; add model_name.depth="):
        composed(f"model_name={NAME}.build")
    net, _ = network(composed(f"model_name={NAME}.build", "model_name.depth=3", "layer_type=standard"), DIGITS)
    assert net.features[0].out_channels == 3


def test_a_network_that_does_not_fit_the_classes_is_told(granted: None) -> None:
    with pytest.raises(UserError, match=rf"model_name={NAME}.Fixed: gives \(1, 7\) for an image; expected \(1, 10\)"):
        network(composed(f"model_name={NAME}.Fixed"), DIGITS)


def test_an_optimizer_brings_its_own_defaults(granted: None) -> None:
    config = composed(f"optimizer={NAME}.Descent", "optimizer.momentum=0.5", "weight_decay=0.2")
    optimizer = make_optimizer(config, torch.nn.Linear(2, 2))
    assert type(optimizer).__name__ == "Descent"
    assert [(group["lr"], group["momentum"]) for group in optimizer.param_groups] == [(0.05, 0.5)] * 2
    assert {group["weight_decay"] for group in optimizer.param_groups} == {0.2, 0.0}


def test_a_basis_takes_the_flat_knobs_that_it_has(granted: None) -> None:
    config = composed(f"layer_type={NAME}.Cube2d", "scale=3", "layer_type.power=5", "n=7")
    made: Any = layer_type(config)
    assert (made.synapse.basis.length, made.synapse.basis.power) == (3.0, 5)
    assert "n" in config["unread"]
    assert "domain" not in config["unread"]


def test_rules_may_name_a_basis_too(granted: None) -> None:
    config = composed(f"rules={{layer4.*:{{layer_type:{NAME}.Cube2d}}}}", "scale=3")
    net: Any = network(config, DIGITS)[0]
    assert (net.layer4[0].conv1.synapse.basis.power, net.layer4[0].conv1.synapse.basis.length) == (3, 3.0)
    assert type(net.layer1[0].conv1.synapse.basis).__name__ == "Polynomial"


def test_data_of_a_function_are_served_as_ours(granted: None) -> None:
    config = composed(f"dataset={NAME}.lamps", "dataset.count=60", "dataset.split=dev", "val_fraction=0.2")
    data: Any = make_data(config)
    assert len(data.train_indices) + len(data.val_indices) == 50  # of ten classes of six each one is held out
    assert data.state_dict()["classes"] == list("0123456789")
    points: Any = make_data(composed(f"dataset={NAME}.plane", "dataset.count=40", "seed=3"))
    x = torch.rand(40, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    assert torch.equal(points.points.train_x, x)
    own: Any = make_data(composed(f"dataset={NAME}.Lamps", "dataset.count=50", "batch_size=7"))
    assert (len(own.data.train_images), own.settings.batch_size) == (50, 7)


def test_points_of_ones_own_choose_the_task(granted: None) -> None:
    config = composed(f"dataset={NAME}.plane")
    assert (config["task"]["name"], config["choices"]["model_name"]) == ("regression", "high_order_mlp")


def test_data_that_are_not_right_say_why(granted: None) -> None:
    with pytest.raises(UserError, match=rf"dataset={NAME}.bad_lamps: labels lie outside 0 … 1"):
        make_data(composed(f"dataset={NAME}.bad_lamps"))


def test_a_loss_is_a_function_or_a_module(granted: None) -> None:
    outputs, targets = torch.randn(4, 10), torch.tensor([0, 1, 2, 3])
    p = outputs.softmax(1)[range(4), targets]
    loss = OwnLoss("loss", {"_target_": f"{NAME}.focal", "gamma": 1.5})
    torch.testing.assert_close(loss(outputs, targets, 0.1), -((1 - p) ** 1.5 * p.log()).mean())
    weighted = OwnLoss("loss", {"_target_": f"{NAME}.Weighted", "first": 3.0})
    expected = (-p.log() * torch.tensor([3.0, 1, 1, 1])).sum() / 6
    torch.testing.assert_close(weighted(outputs, targets), expected)
    with pytest.raises(UserError, match=r"loss=code_of_my_own.per_item: gave a tensor \(4,\); expected a scalar"):
        OwnLoss("loss", f"{NAME}.per_item")(outputs, targets)
    with pytest.raises(UserError, match="has parameters, which no optimizer trains"):
        OwnLoss("loss", f"{NAME}.Learned")
    with pytest.raises(UserError, match=rf"loss=.*{NAME}.Weighted: must be real number, not str|too many dimensions"):
        OwnLoss("loss", {"_target_": f"{NAME}.Weighted", "first": "much"})


REFUSED = {
    f"model_name={NAME}.Net model_name.hiden=3": "unknown key model_name.hiden; nearest valid name: model_name.hidden",
    f"model_name={NAME}.Nett": f"{NAME} has no Nett; nearest valid name: Net",
    f"model_name={NAME}.unsaid": "not a builder of a network; expected a class, or a function that says what it gives",
    f"model_name={NAME}.focal": "not a builder of a network",
    f"model_name={NAME}.torch.hub.load": "cannot be imported",
    f"model_name={NAME}.nn": "not a builder of a network",
    f"optimizer={NAME}.Net": "not an optimizer, which derives from torch.optim.optimizer.Optimizer",
    f"layer_type={NAME}.Net": "not a basis or layer type",
    f"dataset={NAME}.Net": "-> ImageData or -> Points, or a Data class with its kind",
    f"loss={NAME}.Ema": "not a function or a module",
    f"loss={NAME}.os.system": "cannot be imported",
    f"'loss={{_target_:{NAME}.focal,gama:2}}'": "cannot be called so: got an unexpected keyword argument 'gama'",
    f"callbacks=[{NAME}.Net]": "not a callback of pytorch_lightning",
    f"'callbacks=[{{_target_:{NAME}.Ema,dekay:2}}]'": "cannot be called so",
    "callbacks=[Ema]": "expected a list of your own, such as [mypackage.net.Ema]",
    f"'task={{_target_:{NAME}.Net}}'": "",
    f"'+scheduler={{_target_:{NAME}.Net}}'": "",
    f"allow=[{NAME}]": f"is for no config to say; write --allow {NAME}",
    "--allow os model_name=os.Net": "--allow os: is Python's own",
    "--allow broken model_name=broken.Net": "broken.Net: cannot be imported: ZeroDivisionError: division by zero",
}


@pytest.mark.parametrize("line", REFUSED)
def test_what_cannot_be_is_one_line(line: str, runner: Runner, capsys: Captured) -> None:
    allowed = [] if "--allow" in line else ["--allow", NAME]
    assert cli.main([*allowed, "train", *shlex.split(line)]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert REFUSED[line] in err
    assert not runner.configs


# Nobody has allowed `marking`, which is at hand.
UNASKED = [
    "model_name=marking.x",
    "model_name._target_=marking.x",
    "optimizer._target_=marking.x",
    "layer_type=marking.x",
    "dataset=marking.x",
    "dataset._target_=marking.x",
    "loss=marking.x",
    "'loss={_target_:marking.x}'",
    "callbacks=[marking.x]",
    "'callbacks=[{_target_:marking.x}]'",
    "experiment=asking --config-dir conf",
    "experiment=naming --config-dir conf",
    "experiment=hooking --config-dir conf",
    "model_name=mine --config-dir conf",
    "dataset=mine --config-dir conf",
    "layer_type=mine --config-dir conf",
]
FILES = {
    "experiment/asking": "# @package _global_\nallow: [marking]\nmodel_name:\n  _target_: marking.x\n",
    "experiment/naming": "# @package _global_\ndefaults:\n  - override /model_name: marking.x\n",
    "experiment/hooking": "# @package _global_\ncallbacks: [marking.x]\n",
    "model_name/mine": "_target_: marking.x\n",
    "dataset/mine": "defaults:\n  - base/images@_here_\n_target_: marking.x\nname: mine\n",
    "layer_type/mine": "_target_: marking.x\n",
}


@pytest.mark.parametrize("line", UNASKED)
def test_nothing_is_imported_that_nobody_allowed(line: str, folder: Path, runner: Runner, capsys: Captured) -> None:
    for name, text in FILES.items():
        (folder / "conf" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "conf" / f"{name}.yaml").write_text(text)
    assert cli.main(["--allow", NAME, "train", *shlex.split(line)]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "--allow marking" in err or "unknown key allow" in err
    assert not (folder / "marker").exists()
    assert not runner.configs


def test_a_project_names_its_code_in_files(folder: Path, runner: Runner) -> None:
    for group, node in (
        ("model_name", {"_target_": f"{NAME}.Net", "hidden": 5}),
        ("layer_type", {"_target_": f"{NAME}.Cube", "length": "${scale}"}),
    ):
        (folder / "mine" / group).mkdir(parents=True, exist_ok=True)
        (folder / "mine" / group / "mine.yaml").write_text(yaml.safe_dump(node))
    line = ["train", "--config-dir", "mine", "model_name=mine", "layer_type=mine2d", f"run_dir={folder}/run"]
    assert cli.main(line) == 2
    assert cli.main([*line, "--allow", NAME]) == 0
    assert runner.configs[0]["model_name"] == {"_target_": f"{NAME}.Net", "hidden": 5}
    assert runner.configs[0]["allow"] == [NAME]
    (folder / "mine" / "model_name" / "mine.yaml").write_text(f"_target_: {NAME}.Net\nhiden: 5\n")
    with Allowance((NAME,), str(folder)).granted(), pytest.raises(UserError, match="takes no hiden; nearest"):
        composed("model_name=mine", "--config-dir", "mine")


def test_names_are_gone_with_their_line(folder: Path) -> None:
    with Allowance((NAME,), str(folder)).granted():
        composed(f"model_name={NAME}.Net", f"optimizer={NAME}.Descent")
    for line in (f"model_name={NAME}.Net", f"optimizer={NAME}.Descent"):
        with pytest.raises(UserError, match=f"add --allow {NAME}"):
            composed(line)


def test_the_parameters_that_data_give_are_those_of_their_specs() -> None:
    specs = DIGITS, PointSpec(("x",), ("y",), (1.0,), (0.0,)), TextSpec(5, 3)
    assert {key for spec in specs for key in spec.offers()} == {*GIVEN["model_name"]} - {"layer_type", "block"}
