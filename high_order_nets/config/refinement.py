"""Which refinements go with the functions and with the rest of a run."""

from itertools import pairwise

from ..errors import UserError, show
from ..settings import ABSENT, Config, at

PARTS = tuple(f"model_name.{part}" for part in ("first", "inner", "last"))
"""Where layers of a HighOrderMLP have functions of their own."""


def check_refinement(config: Config, refine: Config) -> None:
    """Refuse refinements that never come, that lose functions, or that the layer type does not have."""
    _check_alike(config, refine["epochs"])
    epochs, sizes = refine["epochs"], {key: refine[key] for key in ("n", "segments") if refine[key]}
    for key, values in sizes.items():
        for part in PARTS:
            if at(config, f"{part}.{key}") not in (ABSENT, None):
                raise UserError(f"refine.{key}={values}: refines all layers alike; leave {part}.{key} out")
        if len(values) != len(epochs):
            raise UserError(f"refine.{key}={values}: expected one for each of refine.epochs={epochs}")
        if key not in config["layer_type"]:
            raise UserError(f"refine.{key}={values}: layer_type={config['choices']['layer_type']} has no {key}")
        for before, after in pairwise([config["layer_type"][key], *values]):
            if after < before or (key == "segments" and after % before):
                rule = "n may not fall" if key == "n" else "segments may only become multiples"
                raise UserError(f"refine.{key}={values}: {rule}, and {before} comes before {after}")
    if epochs and not sizes:
        raise UserError(f"refine.epochs={epochs}: needs refine.n or refine.segments")
    if sorted(set(epochs)) != epochs:
        raise UserError(f"refine.epochs={epochs}: expected growing numbers")
    if epochs and epochs[-1] >= config["max_epochs"]:
        raise UserError(f"refine.epochs={epochs}: training ends after max_epochs={config['max_epochs']}")
    if epochs and config["choices"]["trainer"] == "ddp":
        raise UserError(f"refine.epochs={epochs}: one process alone can refine; take trainer=gpu or cpu")


def _check_alike(config: Config, epochs: list[int]) -> None:
    """Refuse functions of their own for some layers where all are refined alike."""
    for pattern, own in config["rules"].items() if epochs else ():
        for key in ("n", "segments", "layer_type"):
            if own.get(key, "standard") != "standard":
                rule = f"refine.epochs={epochs} refines all layers alike; leave it out"
                raise UserError(f"rules.{pattern}.{key}={show(own[key])}: {rule}")
