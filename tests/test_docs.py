"""README, CONTRIBUTING, the pages under docs/ and their pictures; tests/cli/test_commands.py runs their commands."""

import importlib.util
import os
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
FILES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
PAGES = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in FILES}
NARROW = [*PAGES, "results/seed.md"]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pictures", DOCS / "pictures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_pages_show_the_pictures_there_are(script: ModuleType) -> None:
    shown = {
        os.path.relpath((ROOT / page).parent / path, DOCS)
        for page, text in PAGES.items()
        for path in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)
    }
    assert {path for path in shown if "gallery" not in path} == {f"pictures/{name}.svg" for name in script.PICTURES}
    assert shown == {str(path.relative_to(DOCS)) for path in (DOCS / "pictures").rglob("*.*")}


@pytest.mark.parametrize("page", PAGES)
def test_links_within_a_page_lead_somewhere(page: str) -> None:
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGES[page])) <= anchors(PAGES[page])


@pytest.mark.parametrize("page", PAGES)
def test_links_to_other_files_lead_somewhere(page: str) -> None:
    for link in re.findall(r"\]\(([^)#][^)]*)\)", PAGES[page]):
        if not link.startswith("https://"):
            path, _, anchor = link.partition("#")
            target = (ROOT / page).parent / path
            assert target.exists(), link
            assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("page", NARROW)
def test_no_line_is_wider_than_120_characters(page: str) -> None:
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    assert [number for number, line in enumerate(lines, 1) if len(line) > 120] == []


@pytest.mark.parametrize("page", NARROW)
def test_every_table_has_a_head(page: str) -> None:
    text = re.sub(r"^```.*?^```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    tables = [block for block in re.split(r"\n(?!\|)", text) if "\n|" in block]
    assert [table for table in tables if not re.search(r"^\|.*\n\|[-:| ]+(\n|$)", table, re.MULTILINE)] == []


def test_the_figure_of_the_rooms_shows_the_package(script: ModuleType) -> None:
    rooms = {path.parent.name for path in (ROOT / "high_order_nets").glob("*/__init__.py")}
    assert {room for room, *_ in script.ROOMS} == {*rooms, "ground"}


def test_a_picture_is_small_and_the_same_each_time(script: ModuleType, tmp_path: Path) -> None:
    drawn = script.write("product", tmp_path).read_bytes()
    assert script.write("product", tmp_path).read_bytes() == drawn
    assert b"<dc:date>" not in drawn
    assert all(path.stat().st_size < 70_000 for path in (DOCS / "pictures").glob("*.*"))
    assert all(path.stat().st_size < 150_000 for path in (DOCS / "pictures/gallery").glob("*.*"))


def test_a_wrong_name_is_refused(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        script.main(["polynomials"])
    assert exit_.value.code == 2
    assert "polynomials: expected names of polynomial," in capsys.readouterr().err
