"""Configs from a stranger run nothing, import nothing and write nowhere but into the run's folder.

Each case would write the marker file if its payload ran; the training itself is replaced (conftest.py), everything
before it, Hydra included, is real.
"""

import shlex
from pathlib import Path

import pytest

from high_order_nets import cli
from tests.runner import Runner

TOUCH = "{_target_: os.system, command: touch MARKER}"
CALLED = "{_target_: pathlib.Path.touch, _args_: [MARKER]}"

# What a stranger asks you to type. MARKER and EVIL are replaced: the file that must not be, a module that writes it.
LINES = {
    "foreign basis": "layer_type._target_=os.system",
    "foreign optimizer": "optimizer._target_=EVIL.x",
    "blocklist gap": "optimizer._target_=numpy.testing.measure",
    "magic in the name": "optimizer._target_=torch.optim.__builtins__.exec",
    "weights from the net": "model_name._target_=torch.hub.load",
    "computed target": "optimizer._target_=${oc.env:HOME}",
    "target of a task": "+task._target_=EVIL.x",
    "added target": "+dataset._target_=EVIL.x",
    "whole node": f"optimizer={TOUCH!r}",
    "launcher": "hydra.launcher._target_=EVIL.x",
    "launcher, hidden in hydra": (
        "hydra.launcher._target_=hydra._internal.core_plugins.bash_completion.os.system "
        "'+hydra.launcher._args_=[touch MARKER]'"
    ),
    "launcher, computed": "-m 'hydra.launcher=${oc.create:\"" + TOUCH + "\"}'",
    "launcher, whole": f"-m 'hydra.launcher={TOUCH}'",
    "sweeper": f"-m 'hydra.sweeper={CALLED}'",
    "sweeper parameters": "-m '+hydra.sweeper.params={+hydra.job.env_set.LD_PRELOAD: MARKER}'",
    "callback": f"'+hydra.callbacks.x={CALLED}'",
    "import by search path": "'hydra.searchpath=[pkg://EVIL]'",
    "import by a log's stream": "hydra.job_logging.handlers.console.stream=ext://EVIL.x",
    "factory in a log": "'+hydra.job_logging.formatters.x={(): logging.config.fileConfig, fname: EVIL.ini}'",
    "log file elsewhere": "hydra.job_logging.handlers.file.filename=MARKER",
    "log of Hydra elsewhere": "'hydra.hydra_logging.handlers.x={class: logging.FileHandler, filename: MARKER}'",
    "environment of what runs": "+hydra.job.env_set.LD_PRELOAD=MARKER",
    "files outside the run": "hydra.output_subdir=../outside",
    "jobs outside the sweep": "-m hydra.sweep.subdir=../outside",
    "jobs elsewhere": "-m hydra.sweep.subdir=MARKER",
    "working folder": "hydra.job.chdir=true",
    "name of the log": "hydra/job_logging=default hydra.job.name=../../outside",
    "another config": "--config-name EVIL",
    "pickled jobs": "--experimental-rerun EVIL.pickle",
    "all of hydra": "'hydra={launcher: " + TOUCH + "}'",
}

# What a stranger's folder holds, used by --config-dir. The experiment is chosen.
FILES = {
    "basis": {"layer_type/mine.yaml": "_target_: EVIL.x"},
    "model": {"model_name/mine.yaml": "_target_: torch.hub.load\nrepo_or_dir: EVIL"},
    "optimizer": {"optimizer/mine.yaml": "_target_: os.system\ncommand: touch MARKER\ndefault_learning_rate: 0.1"},
    "block": {"block/mine.yaml": "name: pi\n_target_: EVIL.x"},
    "task": {"task/mine.yaml": "name: classification\n_target_: EVIL.x"},
    "data that choose a launcher": {
        "hydra/launcher/mine.yaml": TOUCH,
        "dataset/mine.yaml": "defaults:\n  - override /hydra/launcher: mine\n  - _self_\nname: mine",
    },
    "no layer type": {"layer_type/mine.yaml": "- _target_"},
    "python in yaml": {"experiment/mine.yaml": "n: !!python/object/apply:os.system ['touch MARKER']"},
    "target below a knob": {"experiment/mine.yaml": f"# @package _global_\nscheduler: {TOUCH}"},
    "callbacks": {"experiment/mine.yaml": f"# @package _global_\nhydra:\n  callbacks:\n    x: {CALLED}"},
    "launcher": {"experiment/mine.yaml": f"# @package _global_\nhydra:\n  launcher: {TOUCH}"},
    "launcher's commands": {
        "experiment/mine.yaml": "# @package _global_\nhydra:\n  launcher:\n    setup: [touch MARKER]"
    },
    "launcher by group": {
        "hydra/launcher/mine.yaml": TOUCH,
        "experiment/mine.yaml": "# @package _global_\ndefaults:\n  - override /hydra/launcher: mine",
    },
    "log": {
        "experiment/mine.yaml": "# @package _global_\nhydra:\n  job_logging:\n    formatters:\n"
        "      x: {(): logging.config.fileConfig, fname: EVIL.ini}"
    },
    "log's stream": {
        "experiment/mine.yaml": "# @package _global_\nhydra:\n  job_logging:\n    handlers:\n"
        "      console: {stream: 'ext://EVIL.x'}"
    },
    "environment": {"experiment/mine.yaml": "# @package _global_\nhydra:\n  job:\n    env_set: {LD_PRELOAD: MARKER}"},
    "search path": {"experiment/mine.yaml": "# @package _global_\nhydra:\n  searchpath: ['pkg://EVIL']"},
    "run's folder": {"experiment/mine.yaml": "# @package _global_\nhydra:\n  run:\n    dir: MARKER"},
    "root": {"experiment/mine.yaml": "# @package _global_\nroot: MARKER"},
    "search": {
        "search/mine.yaml": "trials: 1\nworkers: 1\nmetric: val_acc\npruning: true\nranges:\n"
        "  hydra.searchpath: \"choice(['pkg://EVIL'],[])\""
    },
    "search with a target": {
        "search/mine.yaml": "trials: 1\nworkers: 1\nmetric: val_acc\npruning: true\nranges:\n"
        "  optimizer._target_: choice(EVIL.x, os.system)"
    },
    "sub-folder": {"experiment/mine.yaml": "# @package _global_\nhydra:\n  output_subdir: ../outside"},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder on the path with a module and a logging file that write the marker."""
    write = f"__import__('pathlib').Path({str(tmp_path / 'marker')!r}).touch()"
    (tmp_path / "hostile_module.py").write_text(f"{write}\nx = None\n")
    (tmp_path / "hostile_module.ini").write_text(
        f"[loggers]\nkeys=root\n[handlers]\nkeys=h\n[formatters]\nkeys=\n[logger_root]\nhandlers=h\n"
        f"[handler_h]\nclass=StreamHandler\nargs=({write},)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def replaced(text: str, folder: Path) -> str:
    return (
        text.replace("MARKER", str(folder / "marker"))
        .replace("EVIL.ini", str(folder / "hostile_module.ini"))
        .replace("EVIL", "hostile_module")
    )


def refused(argv: list[str], folder: Path, runner: Runner, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(folder.rglob("*"))
    assert cli.main(["train", *argv]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not runner.configs
    assert [path for path in sorted(folder.rglob("*")) if path not in before and path.suffix != ".pyc"] == []


@pytest.mark.parametrize("case", LINES)
def test_hostile_lines(case: str, folder: Path, runner: Runner, capsys: pytest.CaptureFixture[str]) -> None:
    refused([*shlex.split(replaced(LINES[case], folder)), f"run_dir={folder}/runs/run"], folder, runner, capsys)


@pytest.mark.parametrize("case", FILES)
def test_hostile_files(case: str, folder: Path, runner: Runner, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--config-dir", str(folder / "conf")]
    for name, text in FILES[case].items():
        path = folder / "conf" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(replaced(text, folder) + "\n")
        argv += [f"{path.parent.name}=mine"] if path.parent.parent.name == "conf" else []
    typed = f"root={folder}/runs" if case != "root" else f"run_dir={folder}/runs/run"
    refused([*argv, typed], folder, runner, capsys)


def test_files_of_others_do_not_take_the_place_of_ours(folder: Path, runner: Runner) -> None:
    for name in (
        "config.yaml",
        "hydra/job_logging/plain.yaml",
        "hydra/hydra_logging/plain.yaml",
        "dataset/digits.yaml",
    ):
        path = folder / "conf" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"version: 1\nhandlers: {{x: {{class: logging.FileHandler, filename: {folder}/marker}}}}\n")
    experiment = folder / "conf" / "experiment" / "mine.yaml"
    experiment.parent.mkdir()
    experiment.write_text("# @package _global_\ndefaults:\n  - override /hydra/job_logging: mine\n")
    argv = ["--config-dir", str(folder / "conf"), "experiment=mine", f"run_dir={folder}/runs/run"]
    assert cli.main(["train", *argv]) == 0
    assert runner.configs[0]["dataset"]["name"] == "digits"
    assert (folder / "runs" / "run" / "train.log").exists()
    assert not (folder / "marker").exists()


@pytest.mark.parametrize("line", ["hydra/job_logging=default", "-m hydra.sweep.subdir=job${hydra.job.num}"])
def test_what_is_harmless_is_taken(line: str, folder: Path, runner: Runner) -> None:
    assert cli.main(["train", *line.split(), f"run_dir={folder}/runs/run"]) == 0
    assert runner.configs
