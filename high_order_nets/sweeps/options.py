"""Reads the options of `table` and applies them to the rows: where=, sort=, top=, columns=."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import UserError, nearest, show
from ..run.folder import Run

NAMES = ("out", "sort", "top", "where", "columns")
STATUSES = ("finished", "diverged", "failed", "pruned", "unfinished", "missing", "running", "interrupted")


@dataclass(frozen=True)
class Options:
    """Hold what `table` was asked: folders, conditions as pairs of key and value, order, number of rows, columns."""

    folders: list[Path]
    out: Path | None = None
    where: list[tuple[str, str]] = field(default_factory=list)
    sort: str | None = None
    top: int | None = None
    columns: list[str] | None = None


def parse(argv: Sequence[str]) -> Options:
    """Read the arguments of `table`; raise UserError for what they cannot mean."""
    folders: list[Path] = []
    given: dict[str, str] = {}
    for argument in argv:
        name, equals, value = argument.partition("=")
        if not equals or "/" in name or Path(argument).expanduser().is_dir():
            folders.append(Path(argument).expanduser())
            continue
        if name not in NAMES:
            raise UserError(f"{argument}: expected folders or {', '.join(f'{each}=' for each in NAMES)}"
                            f"{nearest(name, NAMES)}")  # fmt: skip
        if not value or (name in given and name != "where"):
            raise UserError(f"{argument}: expected one {name}=VALUE")
        given[name] = f"{given[name]},{value}" if name in given else value
    if not folders:
        raise UserError("table: expected folders of runs or sweeps")
    return Options(
        folders,
        Path(given["out"]).expanduser() if "out" in given else None,
        [_condition(text) for text in given["where"].split(",")] if "where" in given else [],
        given.get("sort"),
        _top(given["top"]) if "top" in given else None,
        given["columns"].strip("[]").split(",") if "columns" in given else None,
    )


def keep(runs: Sequence[Run], where: Sequence[tuple[str, str]]) -> list[Run]:
    """Return the runs that meet all conditions; raise UserError for a key or a value that no run has."""
    kept = list(runs)
    for key, wanted in where:
        found = {run.folder: _value(run, key) for run in runs}
        names = list(dict.fromkeys(name for value in found.values() if value is not None for name in _names(value)))
        if all(value is None for value in found.values()):
            raise UserError(f"where={key}={wanted}: no run has {key}{nearest(key, _keys(runs))}")
        if not any(_same(value, wanted) for value in found.values()) and not (key == "status" and wanted in STATUSES):
            raise UserError(f"where={key}={wanted}: no run has it; {key} is {', '.join(names[:12])}"
                            f"{nearest(wanted, names)}")  # fmt: skip
        kept = [run for run in kept if _same(found[run.folder], wanted)]
    return kept


def check_names(option: str, names: Sequence[str], known: Sequence[str]) -> None:
    """Raise UserError for a name that is no column."""
    for name in names:
        if name not in known:
            raise UserError(f"{option}={name}: no such column; expected {', '.join(known)}{nearest(name, known)}")


def _condition(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals and value):
        raise UserError(f"where={text}: expected KEY=VALUE, such as where=status=finished or where=n=3")
    return key, value


def _top(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise UserError(f"top={text}: expected a whole number of at least 1")
    return int(text)


def _value(run: Run, key: str) -> Any:
    return run.status if key == "status" else run.setting(key)


def _names(value: Any) -> list[str]:
    """Return what a value is called: of a list each part."""
    return [show(each) for each in value] if isinstance(value, list) else [show(value)]


def _same(value: Any, wanted: str) -> bool:
    """Compare as numbers where both are, so that 1e-3 finds 0.001; of a list, such as that of tags, one is enough."""
    if isinstance(value, list) and wanted in _names(value):
        return True
    if value is None:
        return wanted in ("null", "None")
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(wanted) == float(value)
        except ValueError:
            return False
    return show(value) == wanted or str(value) == wanted


def _keys(runs: Sequence[Run]) -> list[str]:
    keys = [key for run in runs for key in (*run.config.get("choices", {}), *run.config)]
    return [*dict.fromkeys(["status", *keys])]
