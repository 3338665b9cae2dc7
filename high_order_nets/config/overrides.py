"""Turns a command line as people type it into one that Hydra reads."""

import argparse
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from ..allow import FLAG, covers
from ..errors import UserError, expected, nearest, twin
from ..settings import DOT, PATTERNS
from .catalogue import CHOICES, GROUPS, KEYS, PARTS, everyday_knobs, group_knobs

RENAMED = {
    "lr": "learning_rate",
    # as the scripts for WikiText have always called them
    "fraction": "train_fraction",
    "bptt": "dataset.bptt",
    "tokenizer": "dataset.tokenizer",
    **{key: f"model_name.{key}" for key in ("emsize", "nhid", "nlayers", "nhead", "dropout", "softmax")},
}
RENAMED |= {  # as invariant_mnist.py of the published library calls them
    "mlp.layer_type": "layer_type",
    "mlp.n": "n",
    "mlp.segments": "segments",
    "mlp.normalize": "norm",
    "mlp.hidden.layers": "model_name.hidden_layers",
    "mlp.hidden.width": "model_name.hidden_width",
    "mlp.target_n": "refine.target_n",
    "mlp.target_segments": "refine.target_segments",
}
REFINES = "mlp.p_refine"
"""Whether mlp.target_n is aimed at."""
NONLINEARITY = {"true": "keep", "false": "none"}
# Taken as typed: text has commas, checkpoints have names such as epoch=3.ckpt.
LITERAL = ("text", "notes", "path", "ckpt", "resume", "dataset.root", "dataset.path")
SOURCE = ("init_from", "init_from.path")
"""Weights to start from: places that are as seen from where the line is typed."""
RATE = re.compile(r"(?:lr|learning_rates?)\.(.+)")
"""The learning rate of a part."""
ALIASES = (*RENAMED, "nonlinearity", "run_dir")
GRID = "+"
"""The word that begins a grid of a sweep; the words before the first are shared by all."""
WHOLE = ("run_dir=", "hydra", "search")
"""How words begin that are of the whole sweep."""


@dataclass(frozen=True)
class Arguments:
    """Hold a command line sorted into overrides and flags, both in Hydra's own words."""

    overrides: tuple[str, ...]
    multirun: bool = False
    show: tuple[str, ...] = ()  # flags that have Hydra print the config instead of running
    groups_dir: Path | None = None  # more files for the groups of conf/
    search: tuple[str, ...] = ()  # those of the overrides that say how to search
    grids: tuple[tuple[str, ...], ...] = ()  # what each grid of a multirun adds to the overrides
    comparison: tuple[tuple[str, ...], ...] = ()  # a script's own grids, where the line sweeps nothing


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("-m", "--multirun", action="store_true")
    parser.add_argument("-c", "--cfg", choices=("job", "hydra", "all"))
    parser.add_argument("-p", "--package")
    parser.add_argument("--resolve", action="store_true")
    parser.add_argument("--config-dir")
    parser.add_argument("overrides", nargs="*")
    return parser


def parse(argv: Sequence[str], presets: Mapping[str, str] | None = None, comparison: Sequence[str] = ()) -> Arguments:
    """Sort a command line; presets and comparison are a script's own choices, which give way to those on the line."""
    parser = _parser()
    known, unknown = parser.parse_known_intermixed_args(argv)
    if unknown:
        flags = [FLAG, *(name for action in parser._actions for name in action.option_strings)]
        raise UserError(f"{unknown[0]}: unknown flag{nearest(unknown[0], flags, expected(flags))}")
    shared, *grids = _split(_switched(known.overrides))
    search = tuple(argument for argument in shared if re.match(r"search[=.]", argument))
    multirun = known.multirun or bool(search)
    if grids and (search or not multirun):
        raise UserError(f"{GRID}: begins a grid of a sweep, which needs the flag -m" + " and no search" * bool(search))
    overrides = [_rewrite(argument, multirun) for argument in shared if argument not in search]
    overrides = [*_kept(presets or {}, overrides), *overrides]
    groups_dir = Path(_folder(known.config_dir)) if known.config_dir else None
    if groups_dir and not groups_dir.is_dir():
        raise UserError(f"--config-dir {known.config_dir}: no such folder")
    if groups_dir:
        overrides.append(search_path(groups_dir))
    show = ["--cfg", known.cfg] if known.cfg else []
    show += ["--package", known.package] if known.package else []
    show += ["--resolve"] if known.resolve else []
    own = [shlex.split(line) for line in comparison]
    return Arguments(tuple(overrides), multirun, tuple(show), groups_dir, search, _rewritten(grids), _rewritten(own))


def _switched(words: Sequence[str]) -> list[str]:
    """Return the words with what `mlp.p_refine` says said by `mlp.target_n`."""
    values = [word.partition("=")[2].strip().lower() for word in words if word.startswith(f"{REFINES}=")]
    rest = [word for word in words if not word.startswith(f"{REFINES}=")]
    if not values:
        return rest
    if values[-1] not in NONLINEARITY:
        raise UserError(f"{REFINES}={values[-1]}: expected True or False")
    if values[-1] == "false":
        return [word for word in rest if not word.startswith(("mlp.target_n=", "mlp.target_segments="))]
    if not any(word.startswith(("mlp.target_n=", "mlp.target_segments=")) for word in rest):
        raise UserError(f"{REFINES}=True: refines up to mlp.target_n or mlp.target_segments; add mlp.target_n=5")
    return rest


def _split(words: Sequence[str]) -> list[list[str]]:
    """Return the words that the whole sweep shares, wherever they stand, then those of each grid."""
    parts: list[list[str]] = [[]]
    for word in words:
        if word == GRID:
            parts.append([])
        else:
            parts[0 if word.startswith(WHOLE) else -1].append(word)
    return parts


def _rewritten(grids: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(_rewrite(word, multirun=True) for word in grid) for grid in grids)


def literals(argv: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Read `key=value` arguments without a grammar: everything after the first = is the value."""
    values = {}
    for argument in argv:
        key, equals, value = argument.partition("=")
        if not equals:
            raise UserError(f"{argument}: expected key=value{nearest(argument, names)}")
        if key not in names:
            raise UserError(f"{argument}: unknown key {key}{nearest(key, names, expected(names))}")
        values[key] = value
    return values


def _kept(presets: Mapping[str, str], overrides: Sequence[str]) -> list[str]:
    """Return the presets that the line leaves open: an experiment names all it wants but perhaps the data set."""
    named = {override.partition("=")[0] for override in overrides}
    keys = [key for key in presets if key not in named and (key == "dataset" or "experiment" not in named)]
    return [f"{key}={presets[key]}" for key in keys]


def _rewrite(argument: str, multirun: bool) -> str:
    key, equals, value = argument.partition("=")
    if not equals and argument.startswith("~"):
        return argument
    if not equals or not key:
        raise UserError(f"{argument}: expected key=value, such as n=3")
    if key.lstrip("+") == "allow":
        raise UserError(f"{argument}: is for no config to say; write {FLAG} {value.strip('[]')}")
    if key == "run_dir":
        return f"hydra.{'sweep' if multirun else 'run'}.dir={quote(_folder(value))}"
    if (group := _of_own(key, value)) is not None:
        return f"{group}={value}"
    if key == "nonlinearity":
        return f"activation={','.join(_activation(argument, word) for word in value.split(','))}"
    if key in LITERAL:
        return f"{key}={quote(value)}"
    if key == "logger":  # a group of several, which Hydra does not let be null
        value = re.sub(r"\bnull\b", "none", value)
    if key in SOURCE:
        key, words = SOURCE[-1], value.split(",") if multirun else [value]
        value = ",".join(_source(argument, word) for word in words)
    return _readable(opened(RENAMED.get(key, key)), value)


def _of_own(key: str, value: str) -> str | None:
    """Return the group of a key such as model_name._target_ where its values are one's own: names of that group."""
    group, _, last = key.rpartition(".")
    own = last == "_target_" and (group == "dataset" or all(covers(each) for each in value.split(",")))
    return group if own and group in GROUPS else None


def opened(key: str) -> str:
    """Return the key as Hydra takes it, where it is that of a knob with keys of the user's own: as one that is new."""
    if (part := RATE.fullmatch(key)) and not re.fullmatch(r"[A-Za-z_][\w.-]*", part[1], re.ASCII):
        raise UserError(f"{key}: its name is a pattern; did you mean learning_rates={{{part[1]}:0.01}}?")
    if part:
        return f"++learning_rates.{part[1].replace('.', DOT)}"
    return f"++{key}" if key in PATTERNS else key


def _source(argument: str, word: str) -> str:
    if not word:
        raise UserError(f"{argument}: expected a run's folder, a checkpoint or a file of weights")
    return word if word == "null" else quote(str(Path(word).expanduser().absolute()))


def _readable(key: str, value: str) -> str:
    """Return key=value, the value quoted where Hydra's grammar refuses it: the check then names what it should be."""
    # Hydra only where it is needed: `--help` and completion must not wait for it.
    from hydra.core.override_parser.overrides_parser import OverridesParser  # noqa: PLC0415
    from hydra.errors import HydraException  # noqa: PLC0415

    for override in (f"{key}={value}", f"{key}={quote(value)}"):
        try:
            OverridesParser.create().parse_override(override)
        except HydraException:
            continue
        return override
    if meant := twin(key, [*GROUPS, *_knob_names(), *CHOICES, *KEYS], PARTS):
        raise UserError(f"{key}={value}: did you mean {meant}={value}?")
    raise UserError(f"{key}={value}: expected key=value, the key made of letters, digits, dots and underscores")


def _knob_names() -> list[str]:
    return [knob.key for knobs in (everyday_knobs(), *map(group_knobs, GROUPS)) for knob in knobs]


def _activation(argument: str, word: str) -> str:
    if word.strip().lower() not in NONLINEARITY:
        raise UserError(f"{argument}: nonlinearity is True or False{nearest(word, ('True', 'False'))}")
    return NONLINEARITY[word.strip().lower()]


def _folder(path: str) -> str:
    if not path:
        raise UserError("run_dir=: expected a folder")
    if "${" in path:
        _check_readable(path)
    return str(Path(path).expanduser().absolute())


def _check_readable(path: str) -> None:
    """Refuse a ${…} that OmegaConf holds for neither a reference nor text, such as one without its brace."""
    from omegaconf import OmegaConf  # noqa: PLC0415
    from omegaconf.errors import OmegaConfBaseException  # noqa: PLC0415

    try:
        OmegaConf.create([path])
    except OmegaConfBaseException as error:
        raise UserError(f"run_dir={path}: its ${{ makes it no folder's name for Hydra; name another") from error


def search_path(groups_dir: Path) -> str:
    """Return the override that adds the folder to those that Hydra looks for groups in."""
    return f"hydra.searchpath=[{quote(f'file://{groups_dir}')}]"


def quote(text: str) -> str:
    """Return the text in quotes that hold for Hydra's grammar and against OmegaConf's ${…}."""
    from hydra.core.override_parser.types import Quote, QuotedString  # noqa: PLC0415

    return QuotedString(escaped(text), Quote.single).with_quotes()


def escaped(text: str) -> str:
    """Return the text as OmegaConf's ${…} leaves it alone: the backslashes before it are doubled, and one is added."""
    return re.sub(r"(\\*)\$\{", r"\1\1\\${", text)
