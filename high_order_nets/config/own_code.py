"""What knobs that take code of one's own may be: its name, or a mapping with its name and its keys."""

from typing import Any

from .rules import Rule


def names_code(value: Any) -> bool:
    """Return whether a value names code, as text or with keys."""
    target = value.get("_target_") if isinstance(value, dict) else value
    return isinstance(target, str) and "." in target


CODE = Rule("a function of your own, such as mypackage.net.focal or {_target_:mypackage.net.focal,gamma:2}", names_code)
CALLBACKS = Rule(
    "a list of your own, such as [mypackage.net.Ema] or [{_target_:mypackage.net.Ema,decay:0.9}]",
    lambda value: isinstance(value, list) and all(map(names_code, value)),
)
