"""The seed's commands for real, as `trainer=debug` runs them, and those of README, CONTRIBUTING and docs/."""

import json
import re
import runpy
import shlex
import shutil
import sys
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from high_order_nets import cli
from high_order_nets.basis import Basis
from high_order_nets.config import compose
from high_order_nets.config.overrides import parse
from tests.cli.test_seed_commands import COMMANDS, PRESETS

ROOT = Path(__file__).resolve().parents[2]
MORE = ["examples/cifar100.py -m layer_type=polynomial2d,fourier2d n=2,3 max_epochs=1"]
SOME = [*COMMANDS][::3]
"""Of the seed's commands those that are run every day; all are read by test_seed_commands."""
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").glob("*.md"))),
]


def blocks(language: str, document: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / document).read_text(encoding="utf-8"), re.DOTALL)


def commands(document: str) -> list[str]:
    """Give the lines of the document's bash blocks, joined where a backslash breaks them, without comments."""
    joined = (line for block in blocks("bash", document) for line in re.sub(r"\\\n\s*", " ", block).splitlines())
    return [line for line in (line.split("#")[0].strip() for line in joined) if line]


DOCUMENTS = [page for page in PAGES if blocks("python", page)]
COMMANDS_OF_PAGES = list(dict.fromkeys(line for page in PAGES for line in commands(page)))
SCRIPT = "python examples/wikitext_predict.py"
PREFIXES = ("high-order-nets train", "python examples/", ".venv/bin/high-order-nets train")
TRAININGS = [line for line in COMMANDS_OF_PAGES if line.startswith(PREFIXES) and not line.startswith(SCRIPT)]
OF_README = commands("README.md")
OTHERS = [line for line in COMMANDS_OF_PAGES if line.startswith(("high-order-nets ", SCRIPT)) and line not in TRAININGS]
TOOLS = [line for line in COMMANDS_OF_PAGES if line not in [*TRAININGS, *OTHERS]]


@pytest.fixture(autouse=True)
def tiny_data(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIGH_ORDER_NETS_DATA", str(data_root))


def run(command: str, folder: Path) -> list[dict]:
    """Run a command under trainer=debug; the metrics of its jobs."""
    script, *argv = shlex.split(command)
    place = argv.index("+") if "+" in argv else len(argv)
    argv[place:place] = ["trainer=debug", "plots.enabled=false", f"run_dir={folder}"]
    presets = PRESETS[Path(script).stem] if script.endswith(".py") else {}
    assert cli.train(argv, **presets) == 0
    return [json.loads(path.read_text()) for path in sorted(folder.rglob("metrics.json"))]


def kept_for(daily: Collection[str], lines: Iterable[str]) -> list[Any]:
    """Mark all lines but those of every day as slow."""
    return [pytest.param(line, marks=[] if line in daily else pytest.mark.slow) for line in lines]


@pytest.mark.parametrize("command", kept_for(SOME, [*COMMANDS, *MORE]))
def test_seed_commands_train(command: str, tmp_path: Path) -> None:
    metrics = run(command, tmp_path / "run")
    assert len(metrics) == (4 if "n=2,3" in command else 1)
    for job in metrics:
        assert job["status"] == "finished"
        assert job["epochs"] == 1


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with the images of their own that the documents' commands train on, in each form."""
    folder = tmp_path_factory.mktemp("own")
    names = [f"photos/{split}/{label}/{n}.jpg" for split in ("train", "test") for label in "ab" for n in range(8)]
    pixels = np.random.default_rng(0).integers(0, 256, (len(names), 16, 16, 3), np.uint8)
    for name, image in zip(names, pixels, strict=True):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / name)
    (folder / "photos.csv").write_text("path,label\n" + "".join(f"{name},{name[-7]}\n" for name in names))
    labels = np.arange(len(names)) % 2
    np.savez(folder / "photos.npz", train_images=pixels, train_labels=labels)
    return folder


def documented(command: str) -> str:
    """Give a training of the documents as one that a test can run: a script or `train`, and small."""
    words = shlex.split(re.sub(r"search\.(trials|workers)=\d+", r"search.\1=1", command))
    words = words[1:] if words[0] == "python" else ["train", *words[2:]]
    if any("wikitext" in word for word in words):  # which no test downloads
        words = [
            *(word for word in words if not word.startswith("dataset=")),
            "dataset=sentences",
            "model_name.nhid=16",
        ]
    return shlex.join(words)


@pytest.mark.parametrize("command", kept_for([line for line in OF_README if line.count(",") < 3], TRAININGS))
def test_documented_commands_train(command: str, tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photos)
    assert all(job["status"] == "finished" for job in run(documented(command), tmp_path / "run"))


@pytest.mark.parametrize("command", TRAININGS)
def test_documented_commands_pass_all_checks(command: str, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photos)
    script, *argv = shlex.split(documented(command))
    compose.plan(parse(argv, PRESETS[Path(script).stem] if script.endswith(".py") else {}))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with what the documents' commands name: runs under outputs/, and images."""
    folder = tmp_path_factory.mktemp("workspace")
    metrics = run("train val_fraction=0.2", folder / "outputs/mine")
    assert metrics[0]["status"] == "finished"
    assert run("train dataset=sentences model_name.nhid=16", folder / "outputs/text")
    for name in ("try", "compare", "digits"):
        shutil.copytree(folder / "outputs/mine", folder / "outputs" / name)
    (folder / "photos").mkdir()
    for name in ("image.png", "photo.jpg", "photos/1.jpg"):
        Image.new("L", (8, 8), 128).save(folder / name)
    return folder


@pytest.mark.parametrize("command", OTHERS)
def test_documented_commands_run(command: str, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace)
    words = shlex.split(command)
    if words[0] == "python":
        monkeypatch.setattr(sys, "argv", words[1:])
        with pytest.raises(SystemExit, match=r"^0$"):
            runpy.run_path(str(ROOT / words[1]), run_name="__main__")
    else:
        assert cli.main(words[1:]) == 0


@pytest.mark.parametrize("document", DOCUMENTS)
def test_python_in_the_docs_runs(document: str, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace)
    monkeypatch.setattr(Basis, "registry", dict(Basis.registry))  # what a document defines ends with its test
    for block in blocks("python", document):
        exec(compile(block, document, "exec"), {"__name__": "document"})


def test_documents_with_python_are_run() -> None:
    assert {"README.md", "docs/data.md", "docs/layers.md", "docs/python.md"} <= set(DOCUMENTS)


def test_every_command_of_the_documents_is_run_or_looked_up() -> None:
    tests = [line.split()[3] for line in TOOLS if line.startswith(".venv/bin/python -m pytest ")]
    assert tests
    assert all((ROOT / path).exists() for path in tests)
    assert all(line.startswith(("make ", ".venv/bin/python -m pytest ")) for line in TOOLS)


def test_make_targets_of_the_documents_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {line.split()[1] for line in TOOLS if line.startswith("make ")}
    assert targets
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
