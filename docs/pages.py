"""Markdown for the site of what stands elsewhere: the knobs and presets of conf/, the commands, the notebook."""

import json
import re
from collections.abc import Iterable
from itertools import takewhile
from pathlib import Path
from typing import Any

import yaml

from high_order_nets.cli.commands import COMMANDS
from high_order_nets.cli.manual import spellings
from high_order_nets.config.catalogue import GROUPS, Knob, described, everyday_sections, files_of, group_knobs
from high_order_nets.config.knobs import expected
from high_order_nets.errors import show
from high_order_nets.terminal import PROGRAM


def knobs() -> str:
    """Give a section for each part of conf/config.yaml: every knob with its default, its meaning and its rule."""
    sections = everyday_sections().items()
    return "\n\n".join(f"## {title}\n\n{_list(_entry(knob) for knob in held)}" for title, held in sections)


def groups() -> str:
    """Give a section for each group of conf/: its names, and the keys that come with them."""
    return "\n\n".join(_group(name) for name in (*(group for group in GROUPS if group != "experiment"), "search"))


def presets() -> str:
    """Give a section for each file of conf/experiment: what it says of itself, its command, and the file."""
    return "\n\n".join(_preset(file) for file in files_of("experiment"))


def commands() -> str:
    """Give the commands with what they do, the flags, and the other names of knobs."""
    parts = [_pairs((f"{PROGRAM} {command.usage}", command.summary) for command in COMMANDS.values())]
    return "\n\n".join([*parts, *(f"## {title}\n\n{_pairs(pairs)}" for title, pairs in spellings().items())])


def notebook(text: str) -> str:
    """Give the cells of a notebook as Markdown."""
    cells = [("".join(cell["source"]), cell["cell_type"] == "code") for cell in json.loads(text)["cells"]]
    return "\n\n".join(f"```python\n{source}\n```" if is_code else source for source, is_code in cells)


OF_GROUPS = tuple(f"{group}." for group in (*GROUPS, "search"))
MADE = {"knobs": knobs, "groups": groups, "presets": presets, "commands": commands}  # by the comment in their place


def filled(text: str) -> str:
    """Put what is made in the place of its comment, such as `<!-- knobs -->`."""
    return re.sub(r"<!-- (\w+) -->", lambda found: MADE[found[1]](), text)


def _group(name: str) -> str:
    names = _pairs((f"{name}={choice}", meaning) for choice, meaning in described(name))
    keys = _list(_entry(knob) for knob in group_knobs(name))
    return f"## {name}\n\n{names}" + (f"\n\n**Keys**\n\n{keys}" if keys else "")


def _entry(knob: Knob) -> tuple[str, str]:
    """Give the term and the definition of a knob; a default such as ${n} hands another knob on."""
    written = knob.default.split("|")
    handed = re.fullmatch(r"\$\{(\w+)\}", knob.default)
    default = yaml.safe_load(written[0])
    if isinstance(default, dict):
        keys = [
            f"`{name}`, default {_told(f'{knob.key}.{name}', [show(each)], each)}" for name, each in default.items()
        ]
        rule = f"It has keys: {'; '.join(keys)}"
    elif handed:
        rule = f"Taken from `{handed[1]}`"
    else:
        rule = f"Default {_told(knob.key, written, default)}"
    owners = f"Of {knob.section}" if knob.section and knob.key.startswith(OF_GROUPS) else ""
    return f"`{knob.key}`", ". ".join(part for part in (_prose(knob.meaning), rule, owners) if part) + "."


def _told(key: str, written: list[str], default: Any) -> str:
    """Give a default as it is written, and the rule."""
    return f"{' or '.join(f'`{each}`' for each in written)}, *{_prose(expected(key, default))}*"


def _preset(file: Path) -> str:
    """Give what a preset's first lines say, and what follows them; the first line of all is Hydra's."""
    _, title, *lines = file.read_text("utf-8").splitlines()
    head = [line.removeprefix("#") for line in takewhile(lambda line: line.startswith("#"), lines)]
    typed = [line.strip() for line in head if line.startswith("   ")]
    about = " ".join(line.strip() for line in head if not line.startswith("   ")).strip()
    linked = re.sub(r"(results|docs)/\w+\.md", lambda path: f"[{path[0]}](../{path[0]})", _prose(about))
    return "\n\n".join(
        (
            f"## {file.stem}\n\n{_sentence(_prose(title.removeprefix('# ')))}.",
            "\n".join(["```bash", *typed, "```"]),
            f"{linked}.\n\n<details><summary>conf/experiment/{file.name}</summary>",
            "\n".join(["```yaml", *lines[len(head) :], "```"]),
            "</details>",
        )
    )


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    """Give what is typed with what it does."""
    return _list((f"`{typed}`", _prose(meaning)) for typed, meaning in pairs)


def _list(pairs: Iterable[tuple[str, str]]) -> str:
    """Give a definition list."""
    return "\n\n".join(f"{term}\n: {text}" for term, text in pairs)


def _sentence(text: str) -> str:
    return re.sub(r"^[a-z](?=\w*[ ,])", lambda first: first[0].upper(), text)


def _prose(text: str) -> str:
    """Escape what Markdown would read as more than text."""
    return re.sub(r"([*<\[\]|$\\]|\b_|_\b)", r"\\\1", text.rstrip("."))
