"""Refinements that are planned by where they end: `refine.target_n`, `refine.target_segments`."""

from collections.abc import Iterator

from ..errors import UserError, show
from ..settings import Config, is_debug
from .rules import is_whole

SIZES = ("n", "segments")


def grown(config: Config) -> Config:
    """Write the targets of a resolved config out, as refinements that come at even distances in training.

    n grows by one at a time, segments double; where one of them is there before the other it waits.
    """
    refine = config["refine"]
    targets = {key: refine[f"target_{key}"] for key in SIZES if is_whole(refine[f"target_{key}"])}
    if not targets or is_debug(config) or not is_whole(config["max_epochs"]):
        return config
    for key in ("epochs", *SIZES):
        if refine[key]:
            named = " and ".join(f"refine.target_{each}" for each in targets)
            raise UserError(f"refine.{key}={show(refine[key])}: {named} plans the refinements; leave one of them out")
    steps = {key: [*_steps(key, config["layer_type"].get(key), target)] for key, target in targets.items()}
    count = max(map(len, steps.values()))
    if config["max_epochs"] <= count:
        rule = f"{count} refinements need max_epochs of at least {count + 1}"
        raise UserError(f"max_epochs={config['max_epochs']}: {rule}")
    epochs = [round(config["max_epochs"] * place / (count + 1)) for place in range(1, count + 1)]
    sizes = {key: [*found, *found[-1:] * (count - len(found))] for key, found in steps.items()}
    return config | {"refine": refine | {"epochs": epochs} | sizes}


def _steps(key: str, size: int | None, target: int) -> Iterator[int]:
    if size is None:  # which the rules refuse
        yield target
        return
    if target <= size:
        raise UserError(f"refine.target_{key}={target}: expected more than {key}={size}, with which training begins")
    while size < target:
        size = size + 1 if key == "n" else 2 * size if target % (2 * size) == 0 else target
        yield size
