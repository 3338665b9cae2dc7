"""What a rule of a knob is: what it says, what holds, and which names there are to choose from."""

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import UserError, nearest, show


@dataclass(frozen=True)
class Rule:
    """State what a knob's value must be: in words, as a test and, where there are any, as names to choose from."""

    words: str
    holds: Callable[[Any], bool]
    names: tuple[str, ...] = ()

    def __or__(self, other: "Rule") -> "Rule":
        """Return the rule that holds where either does."""
        return Rule(
            f"{self.words} or {other.words}",
            lambda value: self.holds(value) or other.holds(value),
            self.names + other.names,
        )

    def check(self, key: str, value: Any) -> None:
        """Refuse a value that breaks the rule."""
        if not self.holds(value):
            hint = nearest(str(value), self.names)
            raise UserError(f"{key}={show(value)}: expected {self.words}{hint}")


NULL = Rule("null", lambda value: value is None)
NAME = Rule("a name", lambda value: isinstance(value, str))
NAMES = Rule("a list of names", lambda value: isinstance(value, list) and all(isinstance(part, str) for part in value))


def number(interval: str) -> Rule:
    """Return the rule of a finite number in an interval such as '(0, 1]'."""
    inside = _inside(interval)
    return Rule(f"a number {_words(interval)}", lambda value: is_number(value) and inside(value))


def whole(interval: str) -> Rule:
    """Return the rule of a whole number in an interval such as '[1, inf)'."""
    inside = _inside(interval)
    return Rule(f"a whole number {_words(interval)}", lambda value: is_whole(value) and inside(value))


def word(*names: str) -> Rule:
    """Return the rule of one of the names."""
    return Rule(f"one of {', '.join(names)}", lambda value: value in names and isinstance(value, str), names)


def is_whole(value: Any) -> bool:
    """Return whether the value is an int and no bool."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Return whether the value is a finite int or float and no bool."""
    return is_whole(value) or (isinstance(value, float) and math.isfinite(value))


def _words(interval: str) -> str:
    low = interval[1:-1].split(",", maxsplit=1)[0]
    if interval.endswith("inf)"):
        return f"of at least {low}" if interval[0] == "[" else f"above {low}"
    return f"in {interval}"


def _inside(interval: str) -> Callable[[float], bool]:
    low, high = (float(end) for end in interval[1:-1].split(","))
    above = operator.ge if interval[0] == "[" else operator.gt
    below = operator.le if interval[-1] == "]" else operator.lt
    return lambda value: above(value, low) and below(value, high)
