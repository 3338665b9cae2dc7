"""A synapse with other options."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..layers import Synapse
from ..layers.layer_type import scaled
from .refine import Target

TARGETS = ("n", "segments", "layer_type")


def changed(synapse: Synapse, options: Mapping[str, Any]) -> Synapse:
    """Give the synapse with others of the options of make_synapse, and another layer_type.

    Raises ValueError or TypeError for what it cannot have.
    """
    given = dict(options)
    targets = {key: given.pop(key) for key in TARGETS if key in given}
    synapse = Target(**targets).of(synapse) if targets else synapse
    basis = synapse.basis
    if "scale" in given:
        basis, given = scaled(basis, given.pop("scale"), given)
    return replace(synapse, basis=basis, **given)
