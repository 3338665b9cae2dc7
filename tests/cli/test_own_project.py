"""The project of examples/own_project, as its README says it is used."""

import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from high_order_nets import cli
from high_order_nets.run.folder import jobs_of, metrics_of

PROJECT = Path(__file__).resolve().parents[2] / "examples/own_project"
README = (PROJECT / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    shutil.copytree(PROJECT, tmp_path / "project", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.syspath_prepend(tmp_path / "project")  # as an interpreter that is started there
    monkeypatch.setenv("HIGH_ORDER_NETS_DATA", str(tmp_path))
    yield tmp_path / "project"
    for name in [name for name in sys.modules if name.partition(".")[0] == "mine"]:
        del sys.modules[name]


def test_its_readme_holds(project: Path) -> None:
    assert len(README.splitlines()) <= 40
    blocks = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    lines = [line for block in blocks for line in re.sub(r"\\\n\s*", "", block).splitlines()]
    assert len(lines) == 5
    for line in lines:
        more = ["plots.enabled=false", f"root={project}"] if " train " in line else []
        assert cli.main([*shlex.split(line)[1:], *more]) == 0
    assert metrics_of(project / "runs/shapes")["test_acc"] > 0.8
    assert [job.status for job in jobs_of(project / "runs/both").values()] == ["finished", "finished"]
    (program,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(compile(program.replace('"max_epochs=1"', '"max_epochs=1", "plots.enabled=false"'), "README", "exec"), {})
