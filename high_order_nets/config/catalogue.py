"""What conf/ holds, read from its files without Hydra: for `--help`, completion and doctor, which must be quick."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import targets
from ..names import DIMENSIONS, TORCHVISION
from ..paths import conf_dir, config_file, data_root

GROUPS = (
    "layer_type",
    "model_name",
    "block",
    "dataset",
    "optimizer",
    "scheduler",
    "norm",
    "trainer",
    "logger",
    "task",
    "experiment",
)
SEVERAL = ("logger",)
"""Those that take a list of names too."""
KEYS = ("hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir", "hydra.mode", "hydra.verbose")
PARTS = ("hydra.launcher", "hydra.sweeper")  # may be typed with all that is in them, but for the code they name
CHOICES = ("hydra/launcher", "hydra/sweeper", "hydra/job_logging", "hydra/hydra_logging")
_KNOB = re.compile(r"(?P<indent> *)(?P<key>\w+):(?: +(?P<default>[^#]*?))?(?: +# (?P<meaning>.*))?")
_SHARED = re.compile(r"^  - (base/\w+)@_here_$", re.MULTILINE)
_NOT_KNOBS = ("defaults", "hydra", "_target_", "name", "kind", "headline")  # of the program, not of the user


@dataclass(frozen=True)
class Knob:
    """Hold one key that a command line may set: its default as YAML and what its comment says."""

    key: str
    default: str
    meaning: str
    section: str = ""


def files_of(group: str) -> list[Path]:
    """Return the files of a group, by name."""
    return sorted((conf_dir() / group).glob("*.yaml"))


def choices_of(group: str) -> list[str]:
    """Return the names that a group can be set to, sorted: its files, and the names that have none of their own."""
    names = {file.stem for file in files_of(group)}
    if group == "layer_type":
        files = [file for file in files_of(group) if takes_dimensions(_top(file))]
        names |= {file.stem + dimensions for file in files for dimensions in DIMENSIONS}
    names |= set(TORCHVISION if group == "model_name" else ())
    return sorted(names | set(own_datasets() if group == "dataset" else ()))


def own_datasets(root: Path | None = None) -> list[str]:
    """Name the prepared files under a root, by default the usual one, that no file of conf/ describes."""
    found = {file.stem for file in (root or data_root()).glob("*.safetensors") if re.fullmatch(r"[\w-]+", file.stem)}
    return sorted(found - {file.stem for file in files_of("dataset")})


def takes_dimensions(node: Mapping[str, Any]) -> bool:
    """Return whether a layer type has names with dimensions, as polynomial2d: its neurons add functions."""
    return targets.may_be_basis(node.get("_target_")) and "neuron" not in node


def _top(file: Path) -> dict[str, str]:
    """Return the uppermost keys of a file, their values as text."""
    return dict(re.findall(r"^(\w+): *(.*)$", file.read_text("utf-8"), re.MULTILINE))


def described(group: str) -> list[tuple[str, str]]:
    """Return the names of a group's files with their first comment."""
    return [(file.stem, _first_comment(file.read_text("utf-8"))) for file in files_of(group)]


def _first_comment(yaml: str) -> str:
    return next((line[2:] for line in yaml.splitlines() if line.startswith("# ") and not line.startswith("# @")), "")


def everyday_knobs() -> list[Knob]:
    """Return the knobs of conf/config.yaml, with the sections that its `# ---` lines name."""
    return [knob for knob in _knobs(config_file(), "") if knob.section]


def everyday_sections() -> dict[str, list[Knob]]:
    """Return the same by section."""
    sections: dict[str, list[Knob]] = {}
    for knob in everyday_knobs():
        sections.setdefault(knob.section, []).append(knob)
    return sections


def group_knobs(group: str) -> list[Knob]:
    """Return the knobs of a group's files, each once; the section names the files that have it, where not all do."""
    found: dict[str, list[tuple[str, Knob]]] = {}
    for file in files_of(group) if group != "experiment" else ():  # which sets the knobs of others
        for knob in _with_shared(file, f"{group}."):
            found.setdefault(knob.key, []).append((file.stem, knob))
    return [_merged(key, owners, len(files_of(group))) for key, owners in found.items()]


def _with_shared(file: Path, prefix: str) -> Iterable[Knob]:
    """Return the knobs of a file, after those of the files that it shares with others; what they mean is said there."""
    found: dict[str, Knob] = {}
    for name in _SHARED.findall(file.read_text("utf-8")):
        found |= {knob.key: knob for knob in _knobs(file.parent / f"{name}.yaml", prefix)}
    for knob in _knobs(file, prefix):
        before = found.get(knob.key, knob)
        found[knob.key] = replace(knob, meaning=knob.meaning or before.meaning)
    return found.values()


def _merged(key: str, owners: list[tuple[str, Knob]], files: int) -> Knob:
    defaults = dict.fromkeys(knob.default for _, knob in owners)
    meaning = next((knob.meaning for _, knob in owners if knob.meaning), "")
    section = "" if len(owners) == files else ", ".join(name for name, _ in owners)
    return Knob(key, "|".join(defaults), meaning, section)


def _knobs(file: Path, prefix: str) -> Iterator[Knob]:
    """Yield the knobs of a file; a key without a value opens a nest of indented ones."""
    section, nests = "", [(-1, prefix)]
    for line in file.read_text("utf-8").splitlines():
        if line.startswith("# --- "):
            section = line.removeprefix("# --- ").capitalize()
        match = _KNOB.fullmatch(line)
        if not match:
            continue
        indent, key, default = len(match["indent"]), match["key"], match["default"] or ""
        while nests[-1][0] >= indent:
            nests.pop()
        path = nests[-1][1] + key
        if path.removeprefix(prefix).partition(".")[0] in _NOT_KNOBS:
            section = "" if key == "hydra" else section
        elif default:
            yield Knob(path, default, match["meaning"] or "", section)
        nests.append((indent, f"{path}."))
