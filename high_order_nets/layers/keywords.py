"""What to say of a keyword that is not there."""

import inspect
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any

PUBLISHED = {
    "length": "scale",
    "initialization": "init",
    "weight_magnitude": "init: the starts are scaled by themselves",
    "n_in": 'n, or first={"n": …} of HighOrderMLP',
    "n_hidden": 'n, or inner={"n": …} of HighOrderMLP',
    "n_out": 'n, or last={"n": …} of HighOrderMLP',
    "segment": "segments",
    "in_segments": 'segments, or first={"segments": …} of HighOrderMLP',
    "hidden_segments": 'segments, or inner={"segments": …} of HighOrderMLP',
    "out_segments": 'segments, or last={"segments": …} of HighOrderMLP',
    "layer_type_in": 'layer_type, or first={"layer_type": …} of HighOrderMLP',
    "non_linearity": "activation, of convert and HighOrderMLP",
    "resnet": "residual, of HighOrderMLP",
    "normalization": "norm",
}
"""Keywords of high-order-layers-torch, and what is called so here."""


def check_keywords(owner: Callable[..., Any], given: Iterable[str], options: Iterable[str]) -> None:
    """Raise TypeError for a keyword that is no option, naming who was called and what was perhaps meant."""
    options = list(options)
    for key in given:
        if key not in options:
            raise TypeError(f"{owner.__name__}: unknown keyword {key}{_hint(owner, key, options)}")


def _hint(owner: Callable[..., Any], key: str, options: list[str]) -> str:
    if key in PUBLISHED:
        return f"; here it is {PUBLISHED[key]}"
    named = [name for name, p in inspect.signature(owner).parameters.items() if p.kind is not p.VAR_KEYWORD]
    near = get_close_matches(key, [*named, *options], 1)
    return f"; nearest keyword: {near[0]}" if near else f"; its options are {', '.join(options)}"
