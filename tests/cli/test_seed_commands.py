"""Every cifar100.py and mnist.py command printed in the seed documents is read as it was meant."""

import shlex
from pathlib import Path
from typing import Any

import pytest

from high_order_nets import cli
from tests.runner import Runner

# What the scripts in examples/ preset; test_run.py runs the scripts themselves.
PRESETS = {
    "cifar100": {"dataset": "cifar100", "model_name": "resnet10"},
    "mnist": {"dataset": "mnist"},
    "wikitext_transformer": {"dataset": "wikitext2", "experiment": "wikitext2"},
}
SCRIPTS = (
    *("symbolic", "xor", "function_example", "autoencoder", "variational_autoencoder"),
    *("invariant_mnist", "implicit_image", "burgers"),
)
PRESETS |= {name: {"experiment": name} for name in SCRIPTS}
_POLY = "train_fraction=1.0 layer_type=polynomial2d"
_LION = "gradient_clip_val=0.0 learning_rate=1e-4"
_CONT = "layer_type=continuous2d segments=2 n=3"
COMMANDS: dict[str, dict[str, Any]] = {
    "examples/cifar100.py max_epochs=100 train_fraction=1.0 layer_type=standard segments=1 n=3 batch_size=128 "
    "gradient_clip_val=0.0 learning_rate=1e-3 scale=4.0 model_name=resnet18 loss=cross_entropy": {
        "max_epochs": 100, "learning_rate": 1e-3, "layer_type": {"_target_": None},
    },
    f"examples/cifar100.py max_epochs=1000 {_POLY} n=3 batch_size=1024 {_LION} scale=6 "
    "layer_by_layer=False optimizer=lion model_name=resnet10": {
        "scale": 6, "layer_by_layer": False, "layer_type": {
            "_target_": "high_order_nets.basis.Polynomial", "n": 3, "length": 6,
        },
    },
    f"examples/cifar100.py max_epochs=20 {_POLY} n=4 batch_size=1024 {_LION} scale=8 model_name=resnet10 "
    "layer_by_layer=False optimizer=lion": {"n": 4, "learning_rate": 1e-4},
    f"examples/cifar100.py max_epochs=20 {_POLY} n=4 batch_size=128 {_LION} scale=10 model_name=resnet18 "
    "layer_by_layer=False": {"scale": 10, "model_name": {"_target_": "torchvision.models.resnet18"}},
    f"examples/cifar100.py max_epochs=1000 {_POLY} n=2 batch_size=1024 {_LION} scale=6 layer_by_layer=False "
    "optimizer=lion": {"n": 2},
    f"examples/cifar100.py max_epochs=1000 {_POLY} n=2 batch_size=1024 {_LION} scale=2 layer_by_layer=False "
    "optimizer=lion model_name=resnet18": {"scale": 2},
    "examples/cifar100.py max_epochs=100 train_fraction=1.0 layer_type=fourier2d segments=1 n=3 batch_size=128 "
    "gradient_clip_val=0.0 learning_rate=1e-3 scale=4.0 model_name=resnet10 loss=cross_entropy layer_by_layer=False": {
        "layer_type": {"_target_": "high_order_nets.basis.Fourier", "n": 3, "length": 4.0},
    },
    "examples/cifar100.py max_epochs=100 train_fraction=1.0 layer_type=fourier2d segments=1 n=2 batch_size=128 "
    "gradient_clip_val=0.0 learning_rate=1e-3 scale=4.0 model_name=resnet18 loss=cross_entropy layer_by_layer=False": {
        "n": 2,
    },
    f"examples/cifar100.py -m  max_epochs=100 train_fraction=1.0 {_CONT} batch_size=128 gradient_clip_val=1.0 "
    "learning_rate=1e-3 scale=2.0 model_name=resnet10 loss=cross_entropy rescale_planes=1 rescale_output=True "
    "layer_by_layer=False": {"rescale_output": True, "gradient_clip_val": 1.0, "rescale_planes": 1},
    f"examples/cifar100.py max_epochs=100 train_fraction=1.0 {_CONT} batch_size=1024 gradient_clip_val=0.0 "
    "learning_rate=1e-5 scale=2.0 model_name=resnet10 loss=cross_entropy rescale_planes=1 layer_by_layer=False "
    "optimizer=lion": {"learning_rate": 1e-5, "layer_type": {
        "_target_": "high_order_nets.basis.ContinuousPiecewise", "n": 3, "segments": 2, "length": 2.0,
    }},
    f"examples/cifar100.py max_epochs=100 train_fraction=1.0 {_CONT} batch_size=1024 gradient_clip_val=0.0 "
    "learning_rate=1e-5 scale=2.0 model_name=resnet18 loss=cross_entropy rescale_planes=1 layer_by_layer=False "
    "optimizer=lion": {"batch_size": 1024},
    "cifar100.py -m  max_epochs=100 train_fraction=1.0 layer_type=discontinuous2d segments=2 n=3 batch_size=128 "
    "gradient_clip_val=0.0 learning_rate=1e-3 scale=2.0 model_name=resnet10 loss=cross_entropy rescale_planes=3 "
    "rescale_output=True layer_by_layer=False": {"rescale_planes": 3},
    "cifar100.py -m max_epochs=60 train_fraction=1.0 layer_type=polynomial2d segments=1 n=6 batch_size=128 "
    "gradient_clip_val=0.0 learning_rate=1e-3 scale=4.0 model_name=simple loss=cross_entropy rescale_planes=2 "
    "rescale_output=True layer_by_layer=True epochs_per_layer=20": {
        "layer_by_layer": True, "epochs_per_layer": 20,
    },
    "examples/cifar100.py -m max_epochs=20 train_fraction=1.0 layer_type=polynomial segments=2 n=7 nonlinearity=False "
    "rescale_output=False periodicity=2.0 lr=0.001 linear_output=False": {
        "activation": "none", "learning_rate": 0.001, "periodicity": 2.0, "linear_output": False, "n": 7,
    },
    "examples/cifar100.py layer_type=continuous segments=2 n=2 optimizer=adahessian gradient_clip_val=1 "
    "max_epochs=20": {"gradient_clip_val": 1, "n": 2},
    "examples/mnist.py max_epochs=1 train_fraction=0.1 layer_type=continuous2d n=4 segments=2": {
        "train_fraction": 0.1, "segments": 2,
    },
}  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_seed_command_is_accepted_and_means_what_it_says(command: str, runner: Runner, tmp_path: Path) -> None:
    script, *argv = shlex.split(command)
    dataset = Path(script).stem
    assert cli.train([*argv, f"run_dir={tmp_path}"], **PRESETS[dataset]) == 0
    (config,) = runner.configs
    assert {key: config[key] for key in COMMANDS[command]} == COMMANDS[command]
    assert config["dataset"]["name"] == dataset
    typed = dict(argument.split("=") for argument in argv if argument != "-m")
    chosen = {group: name for group, name in typed.items() if group in config["choices"]}
    if dataset == "cifar100":
        chosen.setdefault("model_name", "resnet10")
    assert {group: config["choices"][group] for group in chosen} == chosen


def test_a_sweep_of_layer_types_runs_every_combination(runner: Runner, tmp_path: Path) -> None:
    argv = f"-m layer_type=polynomial2d,fourier2d n=2,3 max_epochs=1 run_dir={tmp_path}".split()
    assert cli.train(argv, **PRESETS["cifar100"]) == 0
    jobs = [(config["choices"]["layer_type"], config["n"]) for config in runner.configs]
    assert jobs == [("polynomial2d", 2), ("polynomial2d", 3), ("fourier2d", 2), ("fourier2d", 3)]


def test_the_scripts_data_set_gives_way_to_the_one_on_the_line(runner: Runner, tmp_path: Path) -> None:
    assert cli.train(["dataset=digits", f"run_dir={tmp_path}"], **PRESETS["cifar100"]) == 0
    assert runner.configs[0]["dataset"]["name"] == "digits"
