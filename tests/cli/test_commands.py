"""The seed's commands for real, as `trainer=debug` runs them, and the README's."""

import json
import re
import shlex
from pathlib import Path

import pytest

from high_order_nets import cli
from high_order_nets.basis import Basis
from tests.cli.test_seed_commands import COMMANDS, PRESETS

ROOT = Path(__file__).resolve().parents[2]
MORE = ["examples/cifar100.py -m layer_type=polynomial2d,fourier2d n=2,3 max_epochs=1"]
BLOCKS = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
README = [line.replace("\\\n", " ") for block in BLOCKS for line in re.sub(r"\\\n\s*", " ", block).splitlines()]
DOCUMENTS = ["README.md", *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").glob("*.md")))]
PREFIXES = ("high-order-nets train", "python examples/", ".venv/bin/high-order-nets train")


@pytest.fixture(autouse=True)
def tiny_data(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIGH_ORDER_NETS_DATA", str(data_root))


def run(command: str, folder: Path) -> list[dict]:
    """Run a command under trainer=debug; the metrics of its jobs."""
    script, *argv = shlex.split(command)
    argv += ["trainer=debug", "plots.enabled=false", f"run_dir={folder}"]
    presets = PRESETS[Path(script).stem] if script.endswith(".py") else {}
    assert cli.train(argv, **presets) == 0
    return [json.loads(path.read_text()) for path in sorted(folder.rglob("metrics.json"))]


@pytest.mark.parametrize("command", [*COMMANDS, *MORE])
def test_seed_commands_train(command: str, tmp_path: Path) -> None:
    metrics = run(command, tmp_path / "run")
    assert len(metrics) == (4 if "n=2,3" in command else 1)
    for job in metrics:
        assert job["status"] == "finished"
        assert job["epochs"] == 1


@pytest.mark.parametrize("command", [line.split("#")[0] for line in README if line.startswith(PREFIXES)])
def test_readme_commands_train(command: str, tmp_path: Path) -> None:
    words = shlex.split(command)
    words = words[1:] if words[0] == "python" else ["train", *words[2:]]
    assert all(job["status"] == "finished" for job in run(shlex.join(words), tmp_path / "run"))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_python_in_the_docs_runs(document: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Basis, "registry", dict(Basis.registry))  # what a document defines ends with its test
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, document, "exec"), {"__name__": "document"})


def test_readme_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {line.split()[1] for line in README if line.startswith("make ")}
    assert targets
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
