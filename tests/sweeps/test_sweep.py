"""Sweeps for real: five settings of which one diverges and one raises, Hydra's launchers, ddp."""

import json
import os
import re
import subprocess
import sys
import weakref
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from high_order_nets import cli
from high_order_nets.training import run

FAST = ("model_name=simple", "dataset=digits", "trainer=cpu", "max_epochs=1", "train_fraction=0.3")


def status(folder: Path) -> list[str]:
    """The status of each job, in order."""
    return [json.loads((folder / str(job) / "metrics.json").read_text())["status"] for job in range(len(jobs(folder)))]


def jobs(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / "sweep.json").read_text())["jobs"]


def high_order_nets(*argv: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "high_order_nets", *argv]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_five_settings_of_which_one_diverges_and_one_raises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trained: list[str] = []
    train = run.train

    def spy(config: dict[str, Any], folder: Path) -> float:
        trained.append(folder.name)
        return train(config, folder)

    monkeypatch.setattr(run, "train", spy)
    # SGD with Nesterov's momentum refuses 0; a momentum of 1e38 overflows at the third step.
    argv = ["train", "-m", *FAST, "optimizer.momentum=0.5,0,0.9,1e38,0.95", f"run_dir={tmp_path}"]
    assert cli.main(argv) == 1
    assert status(tmp_path) == ["finished", "failed", "finished", "diverged", "finished"]
    said = capsys.readouterr().out
    assert said.count("(1)") == 6  # two accuracies of three settings
    assert re.search(f"{tmp_path / '1'}: failed: .*optimizer=sgd", said)
    assert re.search(f"{tmp_path / '3'}: diverged: .*at step", said)
    table = (tmp_path / "results.md").read_text()
    assert sum(line.startswith("| ") for line in table.splitlines()) == 2 + 5
    trained.clear()
    assert cli.main(argv) == 1
    assert trained == ["1", "3"]
    assert (tmp_path / "results.md").read_text() == table


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["joblib", "ray", "submitit_local"])
def test_launchers(launcher: str, tmp_path: Path) -> None:
    plugin = f"hydra_plugins.hydra_{launcher.split('_', maxsplit=1)[0]}_launcher"
    if find_spec("hydra_plugins") is None or find_spec(plugin) is None:
        pytest.skip(f'needs pip install "high-order-nets[{launcher.split("_", maxsplit=1)[0]}]"')
    argv = ["-m", *FAST, f"hydra/launcher={launcher}", "optimizer.momentum=0.5,0,0.9", f"run_dir={tmp_path}"]
    done = high_order_nets("train", *argv)
    assert done.returncode == 1, done.stderr
    assert status(tmp_path) == ["finished", "failed", "finished"]
    dates = [path.stat().st_mtime for path in sorted(tmp_path.glob("*/metrics.json"))]
    assert high_order_nets("train", *argv).returncode == 1
    again = [path.stat().st_mtime for path in sorted(tmp_path.glob("*/metrics.json"))]
    assert [before == after for before, after in zip(dates, again, strict=True)] == [True, False, True]


@pytest.mark.slow
def test_a_sweep_of_runs_on_two_processes(tmp_path: Path) -> None:
    place = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")
    argv = ["train", "-m", *FAST[:2], *FAST[3:], *place, "optimizer.momentum=0,0.5,0.9", f"run_dir={tmp_path}"]
    done = high_order_nets(*argv)
    assert done.returncode == 1, done.stderr
    assert status(tmp_path) == ["failed", "finished", "finished"]
    assert done.stdout.count("│ finished │") == 2
    assert len(list(tmp_path.glob("*/history.csv"))) == 2
    assert len((tmp_path / "1" / "history.csv").read_text().splitlines()) == 2  # the header, and one process of the two


@pytest.mark.slow
def test_at_most_one_network_is_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    networks: list[weakref.ref] = []
    alive: list[int] = []
    build = run.build

    def watched(config: dict[str, Any]) -> Any:
        experiment = build(config)
        networks.append(weakref.ref(experiment.net))
        alive.append(sum(network() is not None for network in networks))
        return experiment

    monkeypatch.setattr(run, "build", watched)
    # The second raises, the third diverges; Nesterov's momentum may not be 0.
    cli.main(["train", "-m", *FAST, "optimizer.momentum=0.5,0,1e38,0.9,0.8", f"run_dir={tmp_path}"])
    for seed in (2, 3):
        cli.main(["train", *FAST, f"seed={seed}", f"run_dir={tmp_path / f'single{seed}'}"])
    assert len(alive) == 7
    assert set(alive) == {1}
