"""From the command line to `run.train` and back: folders, exit statuses, help."""

import json
import pickle
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from high_order_nets import cli, paths
from high_order_nets.cli import manual
from high_order_nets.cli.job import Job
from high_order_nets.config import catalogue, compose
from high_order_nets.config.overrides import parse
from tests.runner import Runner

ROOT = Path(__file__).parents[2]
Captured = pytest.CaptureFixture[str]


def test_train_hands_over_plain_containers(runner: Runner, tmp_path: Path) -> None:
    assert cli.main(["train", "n=5", "experiment=seed", "layer_type=fourier", f"run_dir={tmp_path}/a b=c"]) == 0
    (config,) = runner.configs
    assert json.loads(json.dumps(config)) == config
    assert config["layer_type"] == {"_target_": "high_order_nets.basis.Fourier", "n": 5, "length": config["scale"]}
    assert config["choices"] == {
        "layer_type": "fourier",
        "model_name": "resnet10",
        "block": "residual",
        "dataset": "digits",
        "optimizer": "adam",
        "scheduler": "none",
        "norm": "max_abs",
        "trainer": "auto",
        "logger": "tensorboard",
        "task": "classification",
        "experiment": "seed",
    }
    assert config["command"].startswith("high-order-nets train n=5 experiment=seed")
    assert runner.folders == [tmp_path / "a b=c"]
    assert {"train.log", "metrics.json", ".hydra"} <= {file.name for file in runner.folders[0].iterdir()}


@pytest.mark.parametrize(
    ("experiment", "expected"),
    [
        ("seed", {"stem": "imagenet", "domain": "extrapolate", "init": "constant_random", "val_fraction": 0.2}),
        ("cifar100_cpu", {"width": 0.25, "train_fraction": 0.4, "max_epochs": 8, "label_smoothing": 0.1}),
        ("cifar100_cpu_long", {"width": 0.25, "train_fraction": 1.0, "max_epochs": 20, "learning_rate": 0.2}),
        ("cifar100_cpu_best", {"width": 0.35, "init": "silu", "skip": ["stem"], "max_epochs": 20}),
    ],
)
def test_experiments(experiment: str, expected: dict[str, object], runner: Runner, tmp_path: Path) -> None:
    assert cli.main(["train", f"experiment={experiment}", "n=4", f"run_dir={tmp_path}"]) == 0
    (config,) = runner.configs
    assert {key: config[key] for key in expected} == expected
    assert config["n"] == 4


def test_every_choice_of_every_group_passes_its_own_checks() -> None:
    named = [group for group in catalogue.GROUPS if group not in ("model_name", "experiment")]
    names = {group: catalogue.choices_of(group) for group in named}
    names["layer_type"] = [name for name in names["layer_type"] if not name.endswith(("1d", "3d"))]
    for row in range(max(map(len, names.values()))):
        line = [f"{group}={some[row % len(some)]}" for group, some in names.items()]
        choices = compose.plan(parse([*line, "model_name=resnet10"])).jobs[0]["choices"]  # which takes any block
        assert [f"{group}={choices[group]}" for group in names] == line
    for name in catalogue.choices_of("experiment"):  # which are of one kind of data: with what they choose themselves
        assert compose.plan(parse([f"experiment={name}"])).jobs[0]["choices"]["experiment"] == name


def test_outputs_go_to_the_checkout_root_from_any_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert paths.project_root() == ROOT
    assert paths.conf_dir() == ROOT / "conf"


def test_the_default_folder_names_the_run(runner: Runner, tmp_path: Path) -> None:
    assert cli.main(["train", "layer_type=fourier2d", "model_name=vgg11", f"root={tmp_path}"]) == 0
    (folder,) = runner.folders
    assert folder.is_relative_to(tmp_path / "outputs" / "digits")
    assert "-fourier2d-vgg11-" in folder.name


def test_installed_without_a_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(paths, "PACKAGE", tmp_path / "site-packages" / "high_order_nets")
    monkeypatch.chdir(tmp_path)
    assert paths.conf_dir() == tmp_path / "site-packages" / "high_order_nets" / "conf"
    assert paths.project_root() == tmp_path
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["force-include"]["conf"] == "high_order_nets/conf"


@pytest.mark.parametrize(
    ("seed", "status", "said"), [(70, 1, "loss is nan at step 7"), (71, 2, "dataset=mnist: no data")]
)
def test_a_known_error_is_one_line(
    seed: int, status: int, said: str, runner: Runner, tmp_path: Path, capsys: Captured
) -> None:
    assert cli.main(["train", f"seed={seed}", f"run_dir={tmp_path}"]) == status
    assert capsys.readouterr().err == f"high-order-nets: {said}\n"
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics == {"status": "diverged" if seed == 70 else "failed", "error": said}


def test_an_unexpected_error_keeps_its_traceback(runner: Runner, tmp_path: Path, capsys: Captured) -> None:
    with pytest.raises(ValueError, match="a bug") as caught:
        cli.main(["train", "seed=72", f"run_dir={tmp_path}"])
    assert Path(caught.traceback[-1].path).name == "runner.py"
    assert "HYDRA_FULL_ERROR" not in capsys.readouterr().err
    assert json.loads((tmp_path / "metrics.json").read_text())["error"] == "ValueError: a bug"


def test_every_job_is_checked_before_the_first_starts(runner: Runner, tmp_path: Path) -> None:
    assert cli.main(["train", "-m", "layer_type=polynomial,continuous", "n=2,1", "segments=2"]) == 2
    assert not runner.configs


def test_jobs_travel_to_workers() -> None:
    assert pickle.loads(pickle.dumps(Job("a command"))).command == "a command"


def test_cfg_shows_instead_of_running(runner: Runner, tmp_path: Path, capsys: Captured) -> None:
    assert cli.main(["train", "--cfg", "job", "n=4"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["n"] == 4
    assert not runner.configs


def test_a_users_own_model_and_layer_type_are_one_file_each(runner: Runner, tmp_path: Path) -> None:
    for group, target in (("model_name", "torchvision.models.vgg11"), ("layer_type", "high_order_nets.basis.CReLU")):
        (tmp_path / group).mkdir()
        (tmp_path / group / "mine.yaml").write_text(f"_target_: {target}\n")
    argv = ["train", "model_name=mine", "layer_type=mine2d", "--config-dir", str(tmp_path), f"run_dir={tmp_path}/run"]
    assert cli.main(argv) == 0
    assert runner.configs[0]["model_name"] == {"_target_": "torchvision.models.vgg11"}
    assert runner.configs[0]["layer_type"] == {"_target_": "high_order_nets.basis.CReLU"}


def test_test_takes_the_checkpoints_name_literally(runner: Runner, tmp_path: Path) -> None:
    checkpoint = tmp_path / "epoch=3, step=(4).ckpt"
    checkpoint.touch()
    assert cli.main(["test", f"ckpt={checkpoint}"]) == 0
    assert runner.tested == [checkpoint]


def test_help_tells_all_knobs_with_their_meaning(capsys: Captured) -> None:
    assert cli.main(["--help"]) == 0
    said = capsys.readouterr().out
    config = yaml.safe_load((ROOT / "conf" / "config.yaml").read_text())
    knobs = (set(config) | {f"plots.{key}" for key in config["plots"]}) - {"defaults", "hydra", "plots"}
    for knob in knobs:
        assert f"\n  {knob}=" in said or f"\n  {knob}." in said
    for command in manual.EXAMPLES:
        assert command in said
    for name in ("polynomial", "digits", "sophia", "one_cycle", "max_abs", "ddp", "cifar100_cpu"):
        assert name in said
    assert cli.main(["train", "--help"]) == cli.train(["-h"]) == cli.main([]) == 0


@pytest.mark.parametrize(("kind", "name"), [("layers", "polynomial"), ("models", "vit_b_16"), ("datasets", "digits")])
def test_list(kind: str, name: str, capsys: Captured) -> None:
    assert cli.main(["list", kind]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert name in names
    assert "polynomial2d" not in names


@pytest.mark.parametrize("folder", [".", "examples"])
@pytest.mark.parametrize("script", ["cifar100.py", "mnist.py"])
def test_the_examples_run_from_both_folders(script: str, folder: str) -> None:
    argv = [sys.executable, script if folder == "examples" else f"examples/{script}", "--cfg", "job", "--resolve"]
    done = subprocess.run(argv, cwd=ROOT / folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    shown = yaml.safe_load(done.stdout)
    assert shown["dataset"]["name"] == script.removesuffix(".py")
    assert shown["model_name"]["_target_"].endswith(".resnet10") == (script == "cifar100.py")
    assert shown["root"] == str(ROOT)


def test_the_module_is_the_command_line_and_its_help_is_fast() -> None:
    code = "import sys; from high_order_nets.cli import main; main(['--help']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
    done = subprocess.run(
        [sys.executable, "-m", "high_order_nets", "list", "layers"], capture_output=True, text=True, check=False
    )
    assert "fourier" in done.stdout
