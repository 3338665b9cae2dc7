"""What the functions of a network are in an epoch of a run that refines them."""

from torch import nn

from ..settings import Config
from .refine import Target, refine_

Replaced = dict[nn.Parameter, nn.Parameter]
"""Old parameters and the new ones in their places."""


def target_at(config: Config, epoch: int) -> Target | None:
    """Give what the functions are in an epoch (counted from 0); None in a run without refinements.

    That is the choice of the last refinement until then, before the first one the layer type's own.
    """
    chosen = config.get("refine", {})
    if not chosen.get("epochs"):
        return None
    done = sum(start <= epoch for start in chosen["epochs"])
    sizes = {key: [config["layer_type"].get(key), *chosen[key]] for key in ("n", "segments")}
    return Target(**{key: values[done] if len(values) > 1 else values[0] for key, values in sizes.items()})


def refined_to(net: nn.Module, config: Config, epoch: int) -> Replaced:
    """Bring the network, in place, to its function spaces of this epoch; return old parameters → new ones.

    A finer space leaves the output as it is. A coarser one, that of an earlier checkpoint, gets its shapes, with
    weights that only approximate: those of the checkpoint are to be loaded.
    """
    target = target_at(config, epoch)
    return {} if target is None else refine_(net, target, exactly=False)
