"""The weights that a run begins with, and the record of where they are from."""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..models.pretrained import pretrained
from ..models.transfer import Source
from ..run.weights import read_weights
from ..settings import Config

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Origin:
    """Weights to begin with, None for new ones, and what is put on record of them: path and SHA-256 of the file.

    `scaling` is that of the images of the run that they are of, if it is known.
    """

    source: Source | None = None
    record: dict[str, Any] = field(default_factory=dict)
    scaling: dict[str, Any] | None = None

    def tell(self, scaling: dict[str, Any] | None) -> None:
        """Say so where the images of this run are scaled otherwise than those that the weights are of."""
        if self.source is not None and None not in (self.scaling, scaling) and self.scaling != scaling:
            log.warning("%s: trained on images scaled by %s; here by %s", self.source.said, self.scaling, scaling)


def find_origin(config: Config) -> Origin:
    """Read the weights that a config wants its run to begin with."""
    if config["pretrained"]:
        return Origin(*pretrained(config))
    path = config["init_from"]["path"]
    if path is None:
        return Origin()
    found = read_weights(Path(path).expanduser().absolute())
    source = Source(f"init_from={found.path}", found.state, config["init_from"]["partial"])
    return Origin(source, {"path": str(found.path), "sha256": found.digest}, found.scaling)
