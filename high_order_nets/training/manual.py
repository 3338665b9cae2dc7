"""The text of `--help` and `list`, read from the comments of conf/ so that each knob is described once."""

import re
from collections.abc import Sequence

from .config import DIMENSIONS, choices_of, conf_dir

LISTS = {"layers": "layer_type", "models": "model_name", "datasets": "dataset"}
EXAMPLES = (
    "high-order-nets train",
    "high-order-nets train dataset=cifar100 model_name=resnet18 layer_type=polynomial2d n=3 optimizer=lion",
    "high-order-nets train -m layer_type=standard,polynomial2d n=2,3 seed=1,2,3",
    "high-order-nets train trainer=debug layer_type=fourier run_dir=outputs/try",
    "high-order-nets test ckpt=outputs/try/checkpoints/last.ckpt",
)
_KNOB = re.compile(r"(?P<indent> *)(?P<key>\w+): +(?P<default>.*?) +# (?P<meaning>.*)")
_BLOCK = re.compile(r"(?P<key>\w+):")


def text(usages: Sequence[tuple[str, str]]) -> str:
    """Return the help: commands (as pairs of usage and summary), examples, knobs and the names of each group."""
    parts = [
        "Train and study neural networks whose every connection is a small function.",
        _section("Commands", _columns(usages)),
        _section("Examples", list(EXAMPLES)),
        *_knobs(),
        _section("layer_type (also as name2d)", _columns(_described("layer_type"))),
        _section("dataset", _columns(_described("dataset"))),
        _section("optimizer", _columns(_described("optimizer"))),
        _section("scheduler, norm, trainer, experiment", [_names(group) for group in _OTHERS]),
        _section("model_name", _models()),
        _section("search (needs optuna; -m's values are ranges)", _search()),
        _section("Flags, anywhere on the line", _columns(_FLAGS)),
        _section("Other names", _columns(_OTHER_NAMES)),
    ]
    return "\n\n".join(parts)


_OTHERS = ("scheduler", "norm", "trainer", "experiment")
_FLAGS = (
    ("-m, --multirun", "run every combination of values given as a,b,c"),
    ("--cfg job", "show the config instead of running; --resolve, --package X"),
    ("--config-dir DIR", "a folder with groups of your own, such as DIR/model_name/mine.yaml"),
)
_OTHER_NAMES = (
    ("lr=X", "learning_rate=X"),
    ("nonlinearity=False|True", "activation=none|keep"),
    ("run_dir=DIR", "the folder of the run; in a multirun, of its jobs"),
    ("group.key=X", "a key of the chosen file of a group, such as dataset.root=DIR"),
)


def listing(kind: str) -> str:
    """Return the names of `kind` (a key of LISTS), one on each line."""
    group = LISTS[kind]
    described = dict(_described(group))
    names = [name for name in choices_of(group) if name in described or not _has_dimension(name, described)]
    return "\n".join(_columns([(name, described.get(name, "")) for name in names]))


def _has_dimension(name: str, files: dict[str, str]) -> bool:
    return name.endswith(DIMENSIONS) and name[:-2] in files


def _described(group: str) -> list[tuple[str, str]]:
    """Return the files of a group with their first comment."""
    return [
        (file.stem, _first_comment(file.read_text("utf-8"))) for file in sorted((conf_dir() / group).glob("*.yaml"))
    ]


def _first_comment(yaml: str) -> str:
    return next((line[2:] for line in yaml.splitlines() if line.startswith("# ") and not line.startswith("# @")), "")


def _knobs() -> list[str]:
    """Return the sections of conf/config.yaml with a line for each knob."""
    sections: dict[str, list[tuple[str, str]]] = {}
    lines: list[tuple[str, str]] = []
    block = ""
    for line in (conf_dir() / "config.yaml").read_text("utf-8").splitlines():
        if line.startswith("# --- "):
            lines = sections.setdefault(line.removeprefix("# --- ").capitalize(), [])
        elif knob := _KNOB.fullmatch(line):
            prefix = block if knob["indent"] else ""
            lines.append((f"{prefix}{knob['key']}={knob['default']}", knob["meaning"]))
        elif opened := _BLOCK.fullmatch(line):
            block = f"{opened['key']}."
    return [_section(title, _columns(knobs)) for title, knobs in sections.items()]


def _knob_lines(yaml: str, prefix: str = "") -> list[tuple[str, str]]:
    """Return the knobs that have a comment, as they are written on the command line."""
    knobs = filter(None, map(_KNOB.fullmatch, yaml.splitlines()))
    return [(f"{prefix}{knob['key']}={knob['default']}", knob["meaning"]) for knob in knobs]


def _names(group: str) -> str:
    return f"{group}={'|'.join(name for name, _ in _described(group))}"


def _models() -> list[str]:
    own = [name for name, _ in _described("model_name")]
    return [
        f"{', '.join(own)}, and torchvision's classifiers by name (resnet18, vgg16_bn, vit_b_16, …):",
        f"{len(choices_of('model_name'))} names, shown by high-order-nets list models",
    ]


def _search() -> list[str]:
    return [
        *_columns(_described("search")),
        *_columns(_knob_lines((conf_dir() / "search" / "recipe.yaml").read_text("utf-8"), "search.")),
    ]


def _section(title: str, lines: list[str]) -> str:
    return "\n".join([title, *(f"  {line}" for line in lines)])


def _columns(pairs: Sequence[tuple[str, str]]) -> list[str]:
    width = max((len(left) for left, _ in pairs), default=0)
    return [f"{left:<{width}}  {right}".rstrip() for left, right in pairs]
