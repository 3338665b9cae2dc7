"""Tab completion: the scripts that shells read, and the words that fit at the cursor; needs neither torch nor Hydra."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ..allow import FLAG, taken
from ..config.catalogue import GROUPS, choices_of, everyday_knobs, group_knobs
from ..config.knobs import RULES
from ..config.overrides import ALIASES
from ..names import layer_name

_BASH = r"""
_high_order_nets() {
    local IFS=$'\n' line="${COMP_LINE:0:COMP_POINT}"
    local word="${line##* }"
    COMPREPLY=($(high-order-nets completion of "$line" 2>/dev/null))
    # bash takes = for the end of a word: what lies before it must not come twice
    [[ $COMP_WORDBREAKS == *=* ]] && COMPREPLY=("${COMPREPLY[@]#"${word%"${word##*=}"}"}")
}
complete -o nospace -F _high_order_nets high-order-nets
"""
_ZSH = r"""
_high_order_nets() {
    local -a found
    found=("${(@f)$(high-order-nets completion of "$LBUFFER" 2>/dev/null)}")
    [[ -n $found ]] && compadd -Q -S '' -- $found
}
compdef _high_order_nets high-order-nets
"""
_FISH = r"""
complete -c high-order-nets -f -a '(high-order-nets completion of (commandline -cp | string collect) | string trim -r)'
"""
SHELLS = {"bash": _BASH.lstrip(), "zsh": _ZSH.lstrip(), "fish": _FISH.lstrip()}
FLAGS = ("-m", "--cfg", "--config-dir", "--allow", "--help")
_PATHS = ("ckpt", "out", "run_dir", "root", "dataset.root", "dataset.path")


def candidates(line: str, usages: Mapping[str, str]) -> list[str]:
    """Return the words that fit at the end of a command line that starts with the program's name.

    `usages` says how each command is written: its `key=a|b` and `a|b` are what is offered. A word that is complete ends
    with a blank.
    """
    *typed_before, word = re.split(r"\s+", line.lstrip())[1:] or [""]
    before, names = taken(typed_before)
    if names and not names[-1]:  # right behind the flag
        return [name for name in _modules() if name.startswith(word)]
    if not before:
        return [f"{name} " for name in sorted({*usages, "--help", FLAG}) if name.startswith(word)]
    known = _words(before[0], usages.get(before[0], ""))
    key, equals, typed = word.partition("=")
    if equals:
        return [f"{key}={value}" for value in _values(key, typed, known)]
    return sorted(f"{name}{_end(values)}" for name, values in known.items() if name.startswith(word))


Values = Callable[[str], list[str]]
"""What may follow a word's `=`, given what was typed of it."""


def _words(command: str, usage: str) -> dict[str, Values | None]:
    """Return what may be typed after the command: keys with their values, and words without (None)."""
    if command == "train":
        return _of_train()
    found: dict[str, Values | None] = {}
    for part in usage.split()[1:]:
        key, equals, values = part.strip("[].…").partition("=")
        if equals:
            found[key] = _files if values.isupper() else _choice(values.split("|"))
        elif "|" in key:
            found |= dict.fromkeys(key.split("|"))
    return found


def _of_train() -> dict[str, Values | None]:
    groups = (*GROUPS, "search")
    keys = [knob.key for knob in everyday_knobs()]
    keys += [knob.key for group in groups for knob in group_knobs(group)]
    defaults = {knob.key: knob.default for knob in everyday_knobs()}
    found: dict[str, Values | None] = dict.fromkeys(FLAGS)
    for key in (*keys, *ALIASES):
        booleans = ["true", "false"] if defaults.get(key) in ("true", "false") or key == "nonlinearity" else []
        names = list(RULES[key].names) if key in RULES else booleans
        found[key] = _files if key in _PATHS else _choice(names)
    found |= {group: _choice(choices_of(group)) for group in groups}
    return found | {"layer_type": _choice(_of_images(choices_of("layer_type")))}


def _of_images(layer_types: list[str]) -> list[str]:
    """Leave out the layer types for signals and volumes: only images are trained on."""
    return [name for name in layer_types if layer_name(name).dimensions in ("", "2d")]


def _values(key: str, typed: str, known: Mapping[str, Values | None]) -> Iterator[str]:
    """Yield the values that fit; after a comma, as in a sweep, the next one."""
    values = known.get(key)
    if values is None:
        return
    head, comma, last = typed.rpartition(",") if values is not _files else ("", "", typed)
    yield from (f"{head}{comma}{value}" for value in values(last) if value.startswith(last))


def _modules() -> list[str]:
    """Name the modules and packages of the current folder."""
    found = {path.stem for path in Path().glob("*.py")} | {path.parent.name for path in Path().glob("*/__init__.py")}
    return sorted(f"{name} " for name in found if name.isidentifier())


def _choice(names: list[str]) -> Values:
    return lambda _typed: [f"{name} " for name in names]


def _files(typed: str) -> list[str]:
    """Return the files and folders that the typed path may become."""
    folder = typed[: typed.rfind("/") + 1]
    try:
        found = sorted(Path(folder or ".").expanduser().iterdir())
    except OSError:
        return []
    return [f"{folder}{path.name}{'/' if path.is_dir() else ' '}" for path in found if not path.name.startswith(".")]


def _end(values: Values | None) -> str:
    return " " if values is None else "="
