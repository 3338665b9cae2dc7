"""What the site is made of; that its pages and links hold is `make docs`, which CI runs."""

import json
import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from docs import pages
from high_order_nets import layers
from high_order_nets.cli.commands import COMMANDS
from high_order_nets.config.catalogue import GROUPS, choices_of, everyday_knobs, files_of, group_knobs
from high_order_nets.config.knobs import RULES

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
NOTEBOOK = (ROOT / "examples/quickstart.ipynb").read_text(encoding="utf-8")


def terms(text: str) -> set[str]:
    return set(re.findall(r"^`(.+)`\n: ", text, re.MULTILINE))


def test_every_knob_has_a_place_and_a_rule() -> None:
    shown = terms(pages.knobs()) | terms(pages.groups())
    groups = [knob for group in (*GROUPS, "search") for knob in group_knobs(group)]
    assert {knob.key for knob in [*everyday_knobs(), *groups]} <= shown
    assert {rule for rule in RULES if rule not in shown and rule.rpartition(".")[0] not in shown} == set()
    assert "noise on the values trained on. Default `0.0`, *a number of at least 0*." in pages.groups()
    assert (
        "It has keys: `layer_type`, default `null`, *a name or null*; `n`, default `null`, *a whole" in pages.groups()
    )


@pytest.mark.parametrize("group", [group for group in GROUPS if group != "experiment"])
def test_every_choice_of_a_group_is_shown(group: str) -> None:
    assert {f"{group}={file.stem}" for file in files_of(group)} <= terms(pages.groups())


def test_every_preset_is_shown_with_its_command() -> None:
    text = pages.presets()
    assert set(re.findall(r"^## (.+)$", text, re.MULTILINE)) == set(choices_of("experiment"))
    cards = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    assert all(re.search(r"```bash\n.*(high-order-nets train|python examples/)", card) for card in cards)
    assert "[results/cifar100_cpu.md](../results/cifar100_cpu.md)" in text


def test_every_command_is_shown() -> None:
    assert {f"high-order-nets {command.usage}" for command in COMMANDS.values()} <= terms(pages.commands())


def test_the_comments_of_the_pages_are_filled() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in DOCS.glob("*.md"))
    assert sorted(re.findall(r"<!-- (\w+) -->", text)) == sorted(pages.MADE)
    assert pages.filled("<!-- knobs -->") == pages.knobs()


def test_the_navigation_holds_every_page() -> None:
    listed = set()
    for page in (DOCS / "index.md", DOCS / "api/index.md"):
        for tree in re.findall(r"```{toctree}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            paths = re.findall(r"[^\s<]+\.(?:md|ipynb)", tree)
            listed |= {(page.parent / path).resolve().relative_to(ROOT) for path in paths}
    files = [*DOCS.rglob("*.md"), *ROOT.glob("results/*.md"), *ROOT.glob("examples/*.ipynb")]
    files += [ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md"]
    assert {file.relative_to(ROOT) for file in files} == listed | {Path("docs/index.md")}


def test_every_public_layer_is_on_its_page() -> None:
    page = (DOCS / "api/layers.md").read_text(encoding="utf-8")
    named = re.findall(r"^\.\. auto(?:class|function):: (\w+)$", page, re.MULTILINE)
    assert sorted([*named, "DOMAINS", "INITS"]) == sorted(layers.__all__)


def test_a_card_of_the_gallery_has_its_picture_and_its_score() -> None:
    cards = re.split(r"^## ", (DOCS / "gallery.md").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    assert all(re.search(r"^!\[.+\]\(pictures/gallery/\w+\.(png|webp)\)$", card, re.MULTILINE) for card in cards)
    assert all(re.search(r"^\*\*.+\*\*.*parameters.* · .*\d (s|min|h)\b", card, re.MULTILINE) for card in cards)


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plt, "show", plt.close)
    cells = [cell for cell in json.loads(NOTEBOOK)["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] for cell in cells)
    code = "\n".join("".join(cell["source"]) for cell in cells)
    assert '"max_epochs=3"' in code
    code = code.replace('"max_epochs=3"', '"trainer=debug", "plots.enabled=false"')
    exec(compile(code, "quickstart.ipynb", "exec"), {})
    assert (tmp_path / "outputs/quickstart/metrics.json").exists()


def test_the_notebook_is_a_page() -> None:
    assert pages.notebook(NOTEBOOK).startswith("# Quickstart\n")
    assert "\n\n```python\nstandard = torchvision." in pages.notebook(NOTEBOOK)
