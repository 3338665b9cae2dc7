"""Imports point one way, and only the outer layers know Hydra."""

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "high_order_nets"
CONVERSION = {"bonds", "conversion", "refinement", "report", "source", "swaps", "widths"}
# What each part may import from, beside itself and `errors`.
ALLOWED = {
    "__init__": {"training"} | CONVERSION,  # on first use
    "__main__": {"cli"},
    "errors": set(),
    "files": set(),
    "basis": set(),
    "layers": {"basis"},
    **dict.fromkeys(CONVERSION, {"basis", "layers"} | CONVERSION),
    "models": {"basis", "layers"} | CONVERSION,
    "data": {"files"},
    "tasks": {"basis", "layers", "models"} | CONVERSION,
    "training": {"basis", "layers", "models", "data", "tasks", "files"} | CONVERSION,
    "cli": {"training"},
}
FILES = sorted(PACKAGE.rglob("*.py"))


def imported_modules(file: Path) -> set[str]:
    """Absolute names of everything the file imports, at any depth."""
    names = set()
    package = ("high_order_nets", *file.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            names |= {f"{module}.{alias.name}" for alias in node.names}
    return names


def part(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_point_one_way(file: Path) -> None:
    inner = {name.split(".")[1] for name in imported_modules(file) if name.startswith("high_order_nets.")}
    assert inner <= ALLOWED[part(file)] | {part(file), "errors", "__version__"}  # the last is no module, but a word


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_only_the_outer_parts_know_hydra(file: Path) -> None:
    knows = any(name.split(".")[0] in ("hydra", "omegaconf") for name in imported_modules(file))
    assert not knows or part(file) in ("training", "cli")


def test_a_basis_needs_nothing_but_torch() -> None:
    for file in (PACKAGE / "basis").glob("*.py"):
        outer = {name.split(".")[0] for name in imported_modules(file)}
        assert outer - sys.stdlib_module_names <= {"torch", "high_order_nets"}
