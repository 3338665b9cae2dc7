"""What is searched: the knobs with their ranges, how many trials, and the metric that tells the best."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override

from ..config import compose
from ..config.overrides import Arguments, opened
from ..config.rules import Rule, whole
from ..errors import UserError, nearest
from ..metrics import HEADLINE, METRICS, split

MEASURED = tuple(f"val_{name}" for name in METRICS)
RULES = {
    "trials": whole("[1, inf)"),
    "workers": whole("[1, inf)"),
    "metric": Rule(
        f"one of {', '.join(MEASURED)}, another val_ metric of the task, or null",
        lambda value: value is None or (isinstance(value, str) and split(value)[0] == "val"),
        MEASURED,
    ),
    "pruning": Rule("true or false", lambda value: isinstance(value, bool)),
    "ranges": Rule(
        "knobs with their ranges in text", lambda value: isinstance(value, dict) and all(map(_is_text, value.values()))
    ),
}


@dataclass(frozen=True)
class Search:
    """Hold what a file of conf/search/ and the command line ask for together.

    `fixed` and `ranges` are overrides in Hydra's words; a range has several values, by the name of its knob. Without a
    `named` metric, the headline of what is trained is searched for.
    """

    trials: int
    workers: int
    named: str | None
    pruning: bool
    fixed: tuple[str, ...]
    ranges: Mapping[str, Override]
    headline: str = HEADLINE

    @property
    def metric(self) -> str:
        """Return the figure of the validation that tells the best."""
        return self.named or f"val_{self.headline}"


def read(arguments: Arguments) -> Search:
    """Join the chosen file and the line: values swept on the line are ranges, plain ones take a range away."""
    settings = compose.compose_search(arguments.search, arguments.groups_dir)
    for key in settings.keys() | RULES.keys():
        if key not in RULES:
            raise UserError(f"search.{key}: unknown key search.{key}{nearest(key, RULES)}")
        RULES[key].check(f"search.{key}", settings.get(key))
    parser = OverridesParser.create()
    typed = {override.get_key_element(): override for override in parser.parse_overrides(list(arguments.overrides))}
    for key in typed:
        if key.startswith(("hydra/", "hydra.sweeper", "hydra.launcher")):
            raise UserError(f"{key}: a search runs its trials itself; search.workers=2 runs two at a time")
    file = {opened(key): words for key, words in settings.pop("ranges").items()}
    own = {key: parser.parse_override(f"{key}={words}") for key, words in file.items()}
    ranges = {key: override for key, override in (own | typed).items() if override.is_sweep_override()}
    if not ranges:
        raise UserError("search: there is nothing to search, as every range has one value")
    fixed = tuple(str(override.input_line) for key, override in typed.items() if key not in ranges)
    return Search(named=settings.pop("metric", None), **settings, fixed=fixed, ranges=ranges)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)
