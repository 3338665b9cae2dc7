"""Sphinx: the site of docs/, results/ and the notebook (`make docs`), which needs no network to be built or read."""

import re
import sys
from pathlib import Path
from types import BuiltinFunctionType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs"))

import pages  # noqa: E402

from high_order_nets import __version__  # noqa: E402

project = "high-order-nets"
version = release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]

# The sources are the files as they lie in the repository, so that links between them hold there and here.
root_doc = "docs/index"
include_patterns = ["docs/**.md", "results/*.md", "examples/*.ipynb", "CHANGELOG.md", "CONTRIBUTING.md"]
source_suffix = {".md": "markdown", ".ipynb": "markdown"}
templates_path = ["_templates"]

nitpicky = True
nitpick_ignore_regex = [("py:(class|obj)", ".*")]  # types in signatures: a link where they have a page, else a name
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 4
smartquotes = False  # of --resolve it would make a dash

default_role = "code"  # docstrings write `name`, as Markdown does
autodoc_default_options = {"members": True, "show-inheritance": True, "no-value": True}
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
maximum_signature_line_length = 88

html_theme = "furo"
html_title = "high-order-nets"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_additional_pages = {"index": "first.html"}  # leads to docs/index.html
html_copy_source = html_show_sourcelink = html_show_copyright = False


def read(_app: Any, docname: str, source: list[str]) -> None:
    """Turn the notebook into Markdown, and fill in what is made of conf/."""
    source[0] = pages.notebook(source[0]) if docname.startswith("examples/") else pages.filled(source[0])


def as_rest(_app: Any, _what: str, _name: str, _obj: Any, _options: Any, lines: list[str]) -> None:
    """Escape what reStructuredText would read as more than text; `code` and *stress* stay."""
    for number, line in enumerate(lines):
        parts = re.split(r"(`+[^`]+`+|(?<!\w)\*\w[^*]*\w\*(?!\w))", line)
        parts[::2] = [re.sub(r"([*|\\]|_(?=\W|$))", r"\\\1", part) for part in parts[::2]]
        lines[number] = "".join(parts)


def is_skipped(_app: Any, _what: str, _name: str, obj: Any, skip: bool, _options: Any) -> bool:
    """Leave out torch's own functions, which a class may hold, and fields that their class tells of."""
    return skip or isinstance(obj, BuiltinFunctionType) or type(obj).__name__ == "_tuplegetter"


def public_bases(_app: Any, _name: str, _obj: Any, _options: Any, bases: list[type]) -> None:
    """Name in the place of a private base the public one that it has itself."""
    for number, base in enumerate(bases):
        if base.__name__.startswith("_"):
            bases[number] = next(each for each in base.__mro__ if not each.__name__.startswith("_"))


def setup(app: Any) -> None:
    """Connect what is above."""
    app.connect("source-read", read)
    app.connect("autodoc-process-docstring", as_rest)
    app.connect("autodoc-skip-member", is_skipped)
    app.connect("autodoc-process-bases", public_bases)
