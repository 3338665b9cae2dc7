"""Which run of a service a run is, and what has been logged there."""

import json
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

from ...files import write_text


class Record:
    """Keep in a file the id that a service has given a run, and up to which step each figure has been logged.

    A run that was killed does its last steps again, to the same bits: what is there already is not logged twice.
    """

    def __init__(self, file: Path):
        self._file = file
        self._last: dict[str, int] = {}

    def forget(self) -> None:
        """Begin anew."""
        self._file.unlink(missing_ok=True)

    def read(self) -> str | None:
        """Return the id, None if there is none; lay the file out shorter, and without a line that was cut off."""
        found = _lines(self._file)
        if not found:
            return None
        identity, *entries = found
        self._last = {name: step for step, names in entries for name in names}
        self.begin(identity)
        return identity

    def begin(self, identity: str) -> None:
        """Write the id down, and what is known."""
        self._file.parent.mkdir(exist_ok=True)
        write_text(self._file, "".join(map(_line, [identity, *([step, [name]] for name, step in self._last.items())])))

    def fresh(self, names: Collection[str], step: int) -> list[str]:
        """Return the names that have not been logged at this step or a later one."""
        return [name for name in names if self._last.get(name, -1) < step]

    def note(self, names: Collection[str], step: int) -> None:
        """Write down what has been logged."""
        self._last |= dict.fromkeys(names, step)
        with self._file.open("a", encoding="utf-8") as file:
            file.write(_line([step, list(names)]))


def _line(content: Any) -> str:
    return json.dumps(content) + "\n"


def _lines(file: Path) -> list[Any]:
    found = []
    if file.is_file():
        for line in file.read_text(encoding="utf-8").splitlines():
            with suppress(ValueError):
                found.append(json.loads(line))
    return found
