"""The pages under docs/ and their pictures; tests/cli/test_commands.py runs their Python."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGES = {path.name: path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md"))}


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pictures", DOCS / "pictures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pages_show_the_pictures_there_are(script: ModuleType) -> None:
    shown = {path for page in PAGES.values() for path in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page)}
    assert shown == {f"pictures/{name}.svg" for name in script.PICTURES}
    assert shown == {str(path.relative_to(DOCS)) for path in (DOCS / "pictures").iterdir()}


@pytest.mark.parametrize("page", PAGES)
def test_links_within_a_page_lead_somewhere(page: str) -> None:
    headings = re.findall(r"^#+ (.+)$", PAGES[page], re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGES[page])) <= anchors


def test_a_picture_is_small_and_the_same_each_time(script: ModuleType, tmp_path: Path) -> None:
    drawn = script.write("product", tmp_path).read_bytes()
    assert script.write("product", tmp_path).read_bytes() == drawn
    assert b"<dc:date>" not in drawn
    assert all(path.stat().st_size < 40_000 for path in (DOCS / "pictures").iterdir())


def test_a_wrong_name_is_refused(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        script.main(["polynomials"])
    assert exit_.value.code == 2
    assert "polynomials: expected names of polynomial," in capsys.readouterr().err
