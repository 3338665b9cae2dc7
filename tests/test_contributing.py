"""CONTRIBUTING's table, followed as it stands there in a copy of the checkout."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PACKAGE = "high_order_nets"


def section(title: str) -> list[str]:
    """Give the code blocks of a section: what is to be written, in the order of its files."""
    (text,) = re.findall(rf"^### {title}\n(.*?)(?=^##)", TEXT, re.MULTILINE | re.DOTALL)
    return re.findall(r"```\w+\n(.*?)```", text, re.DOTALL)


def insert(file: Path, text: str, before: str) -> None:
    """Write a text into a file, in front of the one line that reads `before`."""
    lines = file.read_text(encoding="utf-8")
    assert lines.count(f"\n{before}\n") == 1, f"{file.name}: {before}"
    file.write_text(lines.replace(f"\n{before}\n", f"\n{text}{before}\n"), encoding="utf-8")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy what makes a checkout, and add to it what CONTRIBUTING says."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in (PACKAGE, "conf"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)

    source, import_line, knobs = section("A basis, in full")
    (folder / PACKAGE / "basis/cube.py").write_text(source, encoding="utf-8")
    insert(folder / PACKAGE / "basis/__init__.py", import_line, "from .fourier import Fourier")
    insert(folder / PACKAGE / "basis/__init__.py", '    "Cube",\n', '    "DiscontinuousPiecewise",')
    (folder / "conf/layer_type/cube.yaml").write_text(knobs, encoding="utf-8")

    line, measured = section("A metric, in full")
    insert(folder / PACKAGE / "metrics.py", line, '        Metric("loss", "loss"),')
    accuracy = '            "acc": MulticlassAccuracy(self._classes, average="micro"),'
    insert(folder / PACKAGE / "tasks/classification.py", measured, accuracy)

    function, entry = section("A command, in full")
    insert(folder / PACKAGE / "cli/commands.py", f"{function}\n\n", "COMMANDS = {")
    insert(folder / PACKAGE / "cli/commands.py", entry, '    "test": Command(')
    return folder


def call(checkout: Path, *command: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *command], cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def trained(checkout: Path) -> str:
    """Train with what was added, into the checkout's run/; what it shows."""
    typed = "train layer_type=cube2d trainer=debug plots.enabled=false run_dir=run"
    return call(checkout, "-m", PACKAGE, *typed.split())


def test_a_basis_trains_converts_and_is_listed(checkout: Path, trained: str) -> None:
    assert "test accuracy" in trained
    assert re.search(
        r"^cube +a line and a cube on each connection$", call(checkout, "-m", PACKAGE, "list", "layers"), re.M
    )
    swap = """
        from torch import nn
        from high_order_nets import convert
        print(convert(nn.Conv2d(3, 4, 3), "cube2d")[0].synapse.basis)
    """
    assert call(checkout, "-c", re.sub(r"^ +", "", swap, flags=re.MULTILINE)) == "Cube(length=4.0)\n"


def test_a_metric_reaches_files_and_tables(checkout: Path, trained: str) -> None:
    assert re.search(r"accuracy, mean of classes +│ \d+\.\d\d%", trained)
    assert "test_balanced" in json.loads((checkout / "run/metrics.json").read_text(encoding="utf-8"))
    assert "train_balanced" in (checkout / "run/history.csv").read_text(encoding="utf-8").splitlines()[0]
    shown = call(checkout, "-m", PACKAGE, "table", "run", "sort=test_balanced", "columns=test_balanced")
    assert re.search(r"balanced.*\d+\.\d\d", shown, re.DOTALL)


def test_a_command_answers_and_is_in_the_help(checkout: Path) -> None:
    assert call(checkout, "-m", PACKAGE, "count", "a", "b") == "2 words\n"
    assert "high-order-nets count WORD ..." in call(checkout, "-m", PACKAGE, "--help")
    assert "count" in call(checkout, "-m", PACKAGE, "completion", "of", "high-order-nets co").split()


def test_what_was_added_passes_lint(checkout: Path) -> None:
    call(checkout, "-m", "ruff", "check", "--no-cache", PACKAGE)
    call(checkout, "-m", "ruff", "format", "--no-cache", "--check", PACKAGE)


def test_the_rooms_of_the_table_are_there() -> None:
    (table,) = re.findall(r"^\| new \| file \|.*?\n\n", TEXT, re.MULTILINE | re.DOTALL)
    files = re.findall(r"`([\w./]+\.(?:py|yaml))`", table)
    rooms = {
        file.split("/")[0] for file in files if "/" in file and not file.startswith(("conf/", "docs/", "examples/"))
    }
    assert {"basis", "layers", "kernels", "models", "data", "tasks", "plots", "cli", "optim", "config"} <= rooms
    assert all((ROOT / PACKAGE / room).is_dir() for room in rooms)
