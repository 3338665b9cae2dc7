"""What may be said in Hydra's own part of the config, which names classes, modules to import, commands and log files.

Hydra obeys all of it: `pkg://x` and `ext://x` import x, a log's `()` calls what it names, a launcher's `setup` is a
shell script. So few keys may be typed, what code runs is chosen by group from installed packages, and the files of
others (`--config-dir`, which may come from a stranger) say nothing here.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from ..errors import UserError, expected, nearest, show, twin
from .catalogue import CHOICES, KEYS, PARTS
from .overrides import search_path

NAMES = (*KEYS, *PARTS, *CHOICES)
_OF_THE_LINE = ("runtime", "overrides")  # where Hydra keeps what was typed


def check_overrides(overrides: Sequence[Override], groups_dir: Path | None) -> None:
    """Refuse an override of Hydra's part that may not be typed."""
    own = search_path(groups_dir) if groups_dir else None
    for override in overrides:
        key, line = override.key_or_group, override.input_line
        if not override.is_hydra_override() or line == own:
            continue
        in_part = key.startswith(tuple(f"{part}." for part in PARTS))
        if not in_part and key not in NAMES:
            if meant := twin(key, (*CHOICES, *KEYS), PARTS):
                raise UserError(f"{line}: did you mean {meant}={str(line).partition('=')[2]}?")
            raise UserError(f"{line}: cannot be set here{nearest(key, NAMES, expected(NAMES))}")
        if key.startswith(PARTS) and "${" in str(line):
            raise UserError(f"{line}: expected a plain value, without ${{…}}")


def check_code(config: DictConfig, chosen: DictConfig) -> None:
    """Refuse code in Hydra's part that is not that of `chosen`, the composition of the groups alone."""
    named, known = (dict(code(_plain(composed)["hydra"], ("hydra",))) for composed in (config, chosen))
    for path, name in named.items():
        if known.get(path) != name:
            raise UserError(f"{'.'.join(path)}={show(name)}: foreign {path[-1]}; choose one by hydra/{path[1]}=NAME")


def check_files(config: DictConfig, typed: DictConfig) -> None:
    """Refuse what files say in Hydra's part or of the runs' root: more than `typed`, the typed part alone."""
    said, expected = _plain(config), _plain(typed)
    for part in sorted({*said["hydra"], *expected["hydra"]} - {*_OF_THE_LINE}):
        here, there = (dict(_without_line(whole["hydra"].get(part))) for whole in (said, expected))
        if here != there:
            raise UserError(f"hydra.{part}: closed to files of --config-dir")
    if said["root"] != expected["root"]:
        raise UserError(f"root={show(said['root'])}: closed to files of --config-dir; type it instead")


def check_paths(config: DictConfig) -> None:
    """Refuse a job's folder outside of the sweep's, and parameters of a sweep that are Hydra's own."""
    subdir = PurePath(str(_plain(config)["hydra"]["sweep"]["subdir"]))
    if subdir.is_absolute() or ".." in subdir.parts:
        raise UserError(f"hydra.sweep.subdir={subdir}: expected a folder inside that of the sweep")
    for key in _plain(config)["hydra"]["sweeper"].get("params") or ():
        if str(key).lstrip("+~").startswith("hydra"):
            raise UserError(f"hydra.sweeper.params.{key}: Hydra's own part cannot be swept")


def code(node: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield where code is named, and what: `_target_`, and `class` and `()` of Python's logging."""
    if isinstance(node, list):
        node = dict(enumerate(node))
    for key, value in node.items() if isinstance(node, dict) else ():
        here = (*path, str(key))
        if key in ("_target_", "class", "()"):
            yield here, value
        yield from code(value, here)


def _plain(config: DictConfig) -> dict[str, Any]:
    plain = OmegaConf.to_container(config, resolve=False)
    assert isinstance(plain, dict)
    return plain  # type: ignore[return-value] - keys of conf/ are strings


def _without_line(part: Any) -> Iterator[tuple[str, Any]]:
    """Yield the entries of one part, but for what follows from the line."""
    for key, value in part.items() if isinstance(part, dict) else [("", part)]:
        if key != "override_dirname":
            yield key, value
