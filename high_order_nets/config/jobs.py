"""The jobs of a multirun: each one's overrides, every value drawn once."""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from hydra.utils import get_class

SWEEPER = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"
Lines = list[str]
"""The overrides of one job."""


def parsed(parser: OverridesParser, lines: Sequence[str]) -> list[Override]:
    """Read overrides; a list that `shuffle` draws is drawn here, and written out by `values`."""
    found = []
    for line in lines:
        with _drawing(line):
            found += parser.parse_overrides([line])
    return found


def values(override: Override) -> Lines:
    """Return the override once for each of its values, of an interval its ends; what was drawn is written out."""
    line, key = str(override.input_line), override.get_key_element()
    if not override.is_sweep_override():
        return [f"{key}={override.get_value_element_as_str()}" if "shuffle(" in line else line]
    with _drawing(line):
        swept = override.value()
        ends = [swept.start, swept.end] if isinstance(swept, IntervalSweep) else override.sweep_string_iterator()
        return [f"{key}={value}" for value in ends]


@contextmanager
def _drawing(line: str) -> Iterator[None]:
    """Let what is drawn be a function of the line: the same command names the same jobs again."""
    state = random.getstate()
    random.seed(line)
    try:
        yield
    finally:
        random.setstate(state)


def combinations(each: Mapping[str, Lines], params: Mapping[str, object]) -> list[Lines]:
    """Return the overrides of each job: all combinations of the values and of the sweeper's own `params`."""
    own = {key: [f"{key}={part}" for part in str(value).split(",")] for key, value in params.items()}
    return [list(job) for job in product(*(own | dict(each)).values())]


def axes(each: Mapping[str, Lines]) -> list[Lines]:
    """Return overrides in which each value occurs once: a sweeper that picks may know too many combinations."""
    first = {key: lines[0] for key, lines in each.items()}
    return [list((first | {key: line}).values()) for key, lines in each.items() for line in lines]


@contextmanager
def given(jobs: Sequence[Lines]) -> Iterator[None]:
    """Have Hydra's sweeper run these jobs: left to itself, it would draw again and know nothing of equal ones."""

    def batches(_overrides: object, size: int | None) -> list[list[Lines]]:
        whole = [list(job) for job in jobs]
        return [whole[start : start + (size or len(whole))] for start in range(0, len(whole), size or len(whole))]

    # Found by its name, as Hydra does: its plugins are loaded a second time when they are looked for.
    sweeper = get_class(SWEEPER)
    before = sweeper.split_arguments
    sweeper.split_arguments = staticmethod(batches)
    try:
        yield
    finally:
        sweeper.split_arguments = staticmethod(before)
