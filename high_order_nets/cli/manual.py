"""The text of `--help` and `list`, read from the comments of conf/ so that each knob is described once."""

import re
import textwrap
from collections.abc import Sequence
from functools import partial

from ..config.catalogue import choices_of, described, everyday_sections, group_knobs
from ..names import layer_name

LISTS = {"layers": "layer_type", "models": "model_name", "datasets": "dataset"}
FORMATS = ("onnx", "torch_export", "safetensors")  # of export; here because the help must not wait for torch
EXAMPLES = (
    "high-order-nets train",
    "high-order-nets train dataset=cifar100 model_name=resnet18 layer_type=polynomial2d n=3 optimizer=lion",
    "high-order-nets train -m layer_type=standard,polynomial2d n=2,3 seed=1,2,3",
    "high-order-nets train trainer=debug layer_type=fourier run_dir=outputs/try",
    "high-order-nets predict ckpt=outputs/try image.png",
)
_OTHERS = ("scheduler", "norm", "trainer", "logger", "experiment")
_NAMED = ("layer_type", "block", "dataset", "optimizer", *_OTHERS)
_FLAGS = (
    ("-m, --multirun", "run every combination of values given as a,b,c; of several grids: -m SHARED + GRID + GRID"),
    ("--cfg job", "show the config instead of running; --resolve, --package X"),
    ("--config-dir DIR", "a folder with groups of your own, such as DIR/model_name/mine.yaml"),
    ("--allow PACKAGE", "code of your own: model_name=PACKAGE.net.Net; again for test, predict, export and so on"),
)
_OTHER_NAMES = (
    ("lr=X", "learning_rate=X"),
    ("nonlinearity=False|True", "activation=none|keep"),
    ("fraction=X", "train_fraction=X"),
    ("bptt=N", "dataset.bptt=N; so too tokenizer"),
    ("emsize=N", "model_name.emsize=N; so too nhid, nlayers, nhead, dropout and softmax"),
    ("run_dir=DIR", "the folder of the run; in a multirun, of its jobs"),
)
_WIDTH = 116  # of a wrapped line of names


def text(usages: Sequence[tuple[str, str]]) -> str:
    """Return the help: commands (as pairs of usage and summary), examples, knobs and the names of each group."""
    parts = [
        "Train and study neural networks whose every connection is a small function.",
        _section("Commands", _columns(usages)),
        _section("Examples", list(EXAMPLES)),
        *_knobs(),
        _section("layer_type (also as name2d)", _columns(described("layer_type"))),
        _section("model_name", _models()),
        _section("block", [*_columns(described("block")), "", *_group_knobs("block")]),
        _section("dataset", [*_columns(described("dataset")), "", *_group_knobs("dataset")]),
        _section("optimizer", [*_columns(described("optimizer")), "", *_group_knobs("optimizer")]),
        _section(", ".join(_OTHERS), _columns([(f"{group}=", _names(group)) for group in _OTHERS])),
        _section("Keys of those", _group_knobs("scheduler", "trainer", "logger")),
        _section(
            "search (needs optuna; -m's values are ranges)",
            [*_columns(described("search")), "", *_group_knobs("search")],
        ),
        *(_section(title, _columns(pairs)) for title, pairs in spellings().items()),
    ]
    return "\n\n".join(parts)


def training(usage: tuple[str, str]) -> str:
    """Return the help of `train`: how it is written, the knobs of every day and where the rest is said."""
    parts = [
        "\n".join(_columns([usage])),
        _section("Examples", [line for line in EXAMPLES if " train" in line]),
        *_knobs(),
        _section(
            "Groups, a name of each: high-order-nets --help says all",
            _columns([(f"{group}=", _names(group)) for group in _NAMED]),
        ),
        *(_section(title, _columns(pairs)) for title, pairs in spellings().items()),
    ]
    return "\n\n".join(parts)


def spellings() -> dict[str, Sequence[tuple[str, str]]]:
    """Return what else a line may hold, by its title: flags, and other names of knobs."""
    return {"Flags, anywhere on the line": _FLAGS, "Other names": _OTHER_NAMES}


def usage(usage: tuple[str, str]) -> str:
    """Return the help of another command."""
    return "\n".join(usage)


def listing(kind: str) -> str:
    """Return the names of `kind` (a key of LISTS), one on each line."""
    group = LISTS[kind]
    about = dict(described(group))
    # polynomial2d is told with polynomial, but a data set may be named shapes3d
    names = [name for name in choices_of(group) if name in about or layer_name(name).family not in about]
    return "\n".join(_columns([(name, about.get(name, "")) for name in names]))


def fitted(text: str, width: int) -> str:
    """Break lines wider than `width` between words; what follows begins under the line's second column."""
    return "\n".join(part for line in text.splitlines() for part in _broken(line, width))


def _broken(line: str, width: int) -> list[str]:
    if len(line) <= width:
        return [line]
    gap = re.match(r"\s*\S.*?\s{2,}", line)
    first, rest = (gap[0], line[gap.end() :]) if gap else ("", line.lstrip())
    margin = len(line) - len(line.lstrip())
    wrap = partial(textwrap.wrap, break_long_words=False, break_on_hyphens=False)
    if line.strip() in EXAMPLES:  # to be pasted
        first, later = " " * margin, " " * (margin + 4)
        *begun, last = wrap(line.strip(), width - 2, initial_indent=first, subsequent_indent=later)
        return [*(f"{part} \\" for part in begun), last]
    if gap and len(first) <= width // 2:
        return wrap(rest, width, initial_indent=first, subsequent_indent=" " * len(first))
    left = wrap(first.strip(), width, initial_indent=" " * margin, subsequent_indent=" " * (margin + 4))
    indent = " " * (margin + (4 if gap else 0))
    return [*left, *wrap(rest, width, initial_indent=indent, subsequent_indent=" " * (margin + 4))]


def _knobs() -> list[str]:
    """Return the sections of conf/config.yaml with a line for each knob."""
    return [
        _section(title, _columns([(f"{knob.key}={knob.default}", knob.meaning) for knob in knobs]))
        for title, knobs in everyday_sections().items()
    ]


def _group_knobs(*groups: str) -> list[str]:
    """Return a line for each key of the groups' files, with the files that have it where not all do."""
    lines = []
    for knob in (knob for group in groups for knob in group_knobs(group)):
        owners = f"({knob.section}) " if knob.section else ""
        lines.append((f"{knob.key}={knob.default}", owners + knob.meaning))
    return _columns(lines)


def _names(group: str) -> str:
    return ", ".join(name for name, _ in described(group))


def _models() -> list[str]:
    own = described("model_name")
    others = [name for name in choices_of("model_name") if name not in dict(own)]
    return [*_columns(own), "torchvision's:", *(f"  {line}" for line in textwrap.wrap(", ".join(others), _WIDTH))]


def _section(title: str, lines: list[str]) -> str:
    return "\n".join([title, *(f"  {line}".rstrip() for line in lines)])


def _columns(pairs: Sequence[tuple[str, str]]) -> list[str]:
    width = max((len(left) for left, _ in pairs), default=0)
    return [f"{left:<{width}}  {right}".rstrip() for left, right in pairs]
