"""A room for each kind of thing: imports point one way, no files go in circles, and the quick parts stay light."""

import ast
import re
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "high_order_nets"
GROUND = {
    *("allow", "compiler", "errors", "files", "metrics", "names", "own", "paths", "processes"),
    *("settings", "targets", "terminal", "timm_names", "unread"),
}
# What each room may import, beside itself and the ground.
ROOMS: dict[str, set[str]] = {
    "basis": set(),
    "kernels": {"basis"},
    "layers": {"basis", "kernels"},
    "conversion": {"basis", "layers"},
    "data": set(),
    "run": set(),
    "config": set(),
    "optim": {"layers"},
    "models": {"basis", "layers", "conversion", "data"},
    "inference": {"layers", "conversion", "models", "data", "run"},
    "tasks": {"layers", "conversion", "models", "data", "optim", "inference"},
    "plots": {"basis", "layers", "models", "data", "tasks", "inference", "run", "conversion"},
    "training": {"layers", "conversion", "models", "data", "optim", "tasks", "plots", "run", "inference"},
    "sweeps": {"config", "run", "plots"},
    "cli": {"config", "run", "sweeps", "training", "inference", "plots", "data"},
}
FILES = {".".join(file.with_suffix("").relative_to(PACKAGE).parts): file for file in sorted(PACKAGE.rglob("*.py"))}
QUICK = ("cli", "config.compose", "sweeps.table", "run.folder", "cli.manual")
LARGEST_ROOM = 1 / 5
LONGEST_FILE = 320


@cache
def imported(file: str) -> frozenset[str]:
    """Absolute names of everything that a file imports, at any depth, under TYPE_CHECKING and by name too."""
    names = set()
    package = ("high_order_nets", *FILES[file].relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(ast.parse(FILES[file].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            names |= {f"{module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "import_module":
            names |= {arg.value for arg in node.args if isinstance(arg, ast.Constant)}
    return frozenset(names)


def own_imports(file: str) -> set[str]:
    """The files of the package that a file imports."""
    found = set()
    for name in imported(file):
        parts = name.split(".")[1:] if name.startswith("high_order_nets.") else []
        while parts and ".".join(parts) not in FILES:
            if ".".join([*parts, "__init__"]) in FILES:
                parts.append("__init__")
            else:
                parts.pop()
        found.add(".".join(parts))
    return found - {"", file}


def room(file: str) -> str:
    return file.split(".", maxsplit=1)[0]


def knows(file: str, *packages: str) -> bool:
    return any(name.split(".")[0] in packages for name in imported(file))


def test_every_file_has_a_room() -> None:
    assert {room(file) for file in FILES} == {*ROOMS, *GROUND, "__init__", "__main__"}


@pytest.mark.parametrize("file", [file for file in FILES if not file.startswith("__")])
def test_imports_point_one_way(file: str) -> None:
    allowed = GROUND if room(file) in GROUND else ROOMS[room(file)] | GROUND | {room(file)}
    assert {room(each) for each in own_imports(file)} <= allowed


@pytest.mark.parametrize("file", FILES)
def test_what_is_private_stays_in_its_file(file: str) -> None:
    own = [name for name in imported(file) if name.startswith("high_order_nets.")]
    assert [name for name in own if re.search(r"\._[^_]", name)] == []


def test_no_files_import_each_other_in_a_circle() -> None:
    TopologicalSorter({file: own_imports(file) for file in FILES if file != "__init__"}).prepare()


@pytest.mark.parametrize("file", FILES)
def test_libraries_are_known_where_they_belong(file: str) -> None:
    assert not knows(file, "hydra", "omegaconf") or room(file) in ("config", "sweeps", "cli")
    assert not knows(file, "pytorch_lightning", "lightning_fabric") or room(file) in ("data", "tasks", "training")


def test_a_basis_needs_nothing_but_torch() -> None:
    for file in (file for file in FILES if room(file) == "basis"):
        outer = {name.split(".")[0] for name in imported(file)}
        assert outer - sys.stdlib_module_names <= {"torch", "high_order_nets"}


@pytest.mark.parametrize("module", QUICK)
def test_the_quick_parts_do_without_torch(module: str) -> None:
    look = f"import sys, high_order_nets.{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", look], check=False).returncode == 0


def test_no_room_is_crowded_and_no_file_long() -> None:
    lines = {file: len(path.read_text(encoding="utf-8").splitlines()) for file, path in FILES.items()}
    assert max(lines.values()) <= LONGEST_FILE
    for name in ROOMS:
        assert sum(count for file, count in lines.items() if room(file) == name) <= LARGEST_ROOM * sum(lines.values())
