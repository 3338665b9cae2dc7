"""What several files at the root say of the same thing."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from high_order_nets import __version__

ROOT = Path(__file__).resolve().parents[1]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def parsed(name: str) -> dict[Any, Any]:
    return yaml.safe_load(read(name))


def test_the_version_is_the_same_everywhere() -> None:
    assert parsed("CITATION.cff")["version"] == __version__
    assert f"\n## [{__version__}] - {parsed('CITATION.cff')['date-released']}\n" in read("CHANGELOG.md")


def test_the_authors_are_those_of_the_license() -> None:
    (author,) = parsed("CITATION.cff")["authors"]
    assert author["name"] in read("LICENSE")


def test_the_hooks_run_the_ruff_of_the_constraints() -> None:
    (repository,) = parsed(".pre-commit-config.yaml")["repos"]
    (pinned,) = re.findall(r"^ruff==(.+)$", read("constraints.txt"), re.MULTILINE)
    assert repository["rev"] == f"v{pinned}"


def test_ci_runs_on_the_oldest_python_that_is_promised() -> None:
    job = parsed(".github/workflows/ci.yml")["jobs"]["check"]
    assert {"run": ".ci/run"} in job["steps"]
    (oldest,) = re.findall(r'requires-python = ">=(.+)"', read("pyproject.toml"))
    assert job["strategy"]["matrix"]["python"][0] == oldest


def test_ci_runs_what_contributing_says() -> None:
    (block,) = re.findall(r"^## What CI checks\n.*?```bash\n(.*?)```", read("CONTRIBUTING.md"), re.M | re.S)
    said = [line.split("#")[0].strip() for line in block.splitlines()]
    assert said == re.findall(r"^make \w+$", read(".ci/run"), re.MULTILINE)


@pytest.mark.parametrize("extra", ["dev", "peer", "docs", "search", "export", "wandb", "mlflow"])
def test_what_an_extra_asks_for_is_pinned(extra: str) -> None:
    (block,) = re.findall(rf"^{extra} = \[(.*?)\]$", read("pyproject.toml"), re.MULTILINE | re.DOTALL)
    names = {name.lower() for name in re.findall(r'"([\w-]+)', block)} - {"high-order-nets"}
    pins = {line.partition("==")[0].lower() for line in read("constraints.txt").splitlines()}
    assert names
    assert names <= pins
