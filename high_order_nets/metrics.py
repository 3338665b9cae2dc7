"""What the figures of a run mean: the one place that says how they are called, written and compared."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

SPLITS = {"train": "training", "val": "validation", "test": "test"}
"""What a figure begins with, and how it is called."""
HEADLINE = "acc"
"""The headline of a run that names none, as an older version's."""
TIMES = ("seconds", "seconds_per_epoch", "epochs")


@dataclass(frozen=True)
class Metric:
    """A figure of a run: its name behind train_, val_ or test_; how people read it; which way is better."""

    name: str
    label: str
    form: str = "{:.4f}"
    higher_is_better: bool = False
    percent: bool = False
    """Whether it is a share, of which tables and plots show 100 × the value."""
    curve: bool = True
    """Whether it has a place of its own in a run's curves; loss and headline have one anyway."""

    def merit(self, value: float) -> float:
        """Return the value with the sign that makes the greatest the best."""
        return value if self.higher_is_better else -value

    def written(self, value: float) -> str:
        """Write a value, without the sign of percent."""
        return self.form.format(value).removesuffix("%")


METRICS = {
    each.name: each
    for each in (
        Metric("acc", "accuracy", "{:.2%}", higher_is_better=True, percent=True),
        Metric("acc5", "accuracy, top-5", "{:.2%}", higher_is_better=True, percent=True, curve=False),
        Metric("ece", "expected calibration error", "{:.2%}", percent=True, curve=False),
        Metric("elbo", "ELBO, nats an image", "{:.2f}", higher_is_better=True),
        Metric("reconstruction", "log p(x|z), nats an image", "{:.2f}", higher_is_better=True, curve=False),
        Metric("kl", "KL, nats an image", "{:.2f}", curve=False),
        Metric("psnr", "peak signal to noise, dB", "{:.2f}", higher_is_better=True),
        Metric("rmse", "root mean square error", "{:.4g}"),
        Metric("r2", "R²", "{:.6f}", higher_is_better=True, curve=False),
        Metric("max_error", "largest error", "{:.4g}", curve=False),
        Metric("l1_error", "mean absolute error", "{:.4g}"),
        Metric("perplexity", "perplexity", "{:,.2f}"),
        Metric("bits_per_token", "bits a token", curve=False),
        Metric("loss", "loss"),
        Metric("best_acc", "accuracy, best epoch", "{:.2%}", higher_is_better=True, percent=True, curve=False),
        Metric("degree", "degree along a line", "{:.1f}"),
    )
}
"""What tasks measure; the first are the first in files and tables."""
AVERAGED, FLIPPED = "ema_", "flip_"
"""What begins the name of a figure of averaged weights, test_ema_acc, and of images with their mirror images."""
WAYS = {AVERAGED: "averaged weights", FLIPPED: "with mirror images"}
"""How what is measured in another way is called."""
COSTS = {
    each.name: each
    for each in (
        Metric("parameters", "parameters", "{:,.0f}"),
        Metric("parameters_reduced", "… without redundant constants", "{:,.0f}"),
        Metric("macs", "multiply-adds", "{:,.0f}"),
        Metric("seconds", "seconds of training", "{:,.1f}"),
    )
}


def split(key: str) -> tuple[str, str]:
    """Return split and name of a figure: ("val", "acc5") of val_acc5; ("", key) where it is of no split."""
    first, _, name = key.partition("_")
    return (first, name) if first in SPLITS and name else ("", key)


def metric(key: str) -> Metric:
    """Return what a figure means, test_acc or acc; one that nobody has described is a plain number, less is better."""
    name = re.split(r"(?:^|_)(?:train|val|test)_", key, maxsplit=1)[-1]
    words = name.replace("_", " ")
    if is_speed(name):
        return Metric(name, words.replace(" per ", " a "), "{:,.0f}", higher_is_better=True)
    found = METRICS.get(name) or COSTS.get(name) or _otherwise(name) or _of_output(name)
    return found or Metric(name, words)


def _otherwise(name: str) -> Metric | None:
    """Return what a figure of another way to evaluate means, ema_acc; None where it is none."""
    for way, words in WAYS.items():
        if name.startswith(way):
            own = metric(name.removeprefix(way))
            return replace(own, name=name, label=f"{own.label}, {words}", curve=False)
    return None


def otherwise(key: str) -> str:
    """Return what begins the name of a figure of another way to evaluate, ema_ of test_ema_acc; nothing of others."""
    name = split(key)[1]
    way = next((way for way in WAYS if name.startswith(way)), "")
    return way + (otherwise(f"test_{name.removeprefix(way)}") if way else "")


def telling(keys: Iterable[str], headlines: Collection[str]) -> list[str]:
    """Leave out, of the figures of other ways to evaluate, all but the headlines."""
    ways = {key: otherwise(key) for key in keys}
    return [key for key, way in ways.items() if not way or split(key)[1].removeprefix(way) in headlines]


def _of_output(name: str) -> Metric | None:
    """Return what a figure of one of several outputs means, rmse_price; None where it is none."""
    kind, _, output = name.partition("_")
    if not output or kind not in METRICS:
        return None
    return replace(METRICS[kind], name=name, label=f"{METRICS[kind].label}, {output}", curve=False)


def label(key: str) -> str:
    """Return a figure's name for people, such as 'validation accuracy'; 'val loss' where it has no other name."""
    (part, name), found = split(key), metric(key)
    if part and found.label != name.replace("_", " "):
        return f"{SPLITS[part]} {found.label}"
    return found.label if found.name == key else key.replace("_", " ")


def is_speed(key: str) -> bool:
    """Return whether a figure says how much of the data is worked off a second."""
    return key.endswith("_per_second")


def figures_of(logged: Mapping[str, Any]) -> dict[str, Any]:
    """Take the figures out of what Lightning has logged, under one name each: train_loss of train_loss_epoch."""
    figures: dict[str, Any] = {key: float(value) for key, value in logged.items() if _is_figure(key)}
    if "epochs" in figures:
        figures["epochs"] = int(figures["epochs"])
    epochs = [key for key in logged if key.endswith("_epoch") and split(key)[0]]  # beside those of the last step
    return figures | {key.removesuffix("_epoch"): float(logged[key]) for key in epochs}


def _is_figure(key: str) -> bool:
    return key in TIMES or is_speed(key) or (bool(split(key)[0]) and not key.endswith(("_step", "_epoch")))


def names_of(keys: Iterable[str], first: Sequence[str] = ()) -> list[str]:
    """Return the names behind the splits: `first`, those of METRICS in its order, the others as they come."""
    found = dict.fromkeys(name for part, name in map(split, keys) if part)
    return [*dict.fromkeys((*first, *(name for name in METRICS if name in found), *found))]


def reported(keys: Collection[str], headlines: Sequence[str]) -> list[str]:
    """Return the figures that a run is judged by, those that every run has and, of the others, those among the keys.

    First what was tested, the headlines before all; then headlines and loss of validation and training, and what was
    logged there alone.
    """
    names = names_of(keys, headlines)
    names = [*(name for name in names if name != "loss" or name in headlines), *({"loss"} - {*headlines})]
    always = {*headlines, "loss"}
    tested = [f"test_{name}" for name in names if name in always or f"test_{name}" in keys]
    return [*tested, *_beside(names, always, keys)]


def _beside(names: Sequence[str], always: Collection[str], keys: Collection[str]) -> Iterator[str]:
    for part in ("val", "train"):
        for name in names:
            if name in always or (f"{part}_{name}" in keys and f"test_{name}" not in keys):
                yield f"{part}_{name}"


def headline(figures: Mapping[str, Any]) -> str:
    """Return the name of what a run is judged by, out of its metrics."""
    return str(figures.get("headline", HEADLINE))


def score(figures: Mapping[str, Any]) -> float:
    """Return the result of a run's test, out of its metrics; nan where it has none."""
    value = figures.get(f"test_{headline(figures)}")
    return float("nan") if value is None else float(value)
