"""Weights & Biases."""

import logging
import netrc
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ...errors import UserError
from ...settings import Config
from .service import Service

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger(__name__)
STEP = "trainer/global_step"
"""What figures are drawn against, as Lightning calls it: wandb's own steps count what is logged."""
KEYS = ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE")


class Wandb(Service):
    """Log to a run of wandb; nobody is ever asked for a key.

    Without one mode=auto writes into the run's folder alone. Offline, each part of a run that was resumed has a folder
    of its own there, under one id, and `wandb sync` puts them together.
    """

    def __init__(self, config: Config, folder: Path, *, anew: bool):
        super().__init__("wandb", config, folder, anew=anew)
        self._mode: Any = self._chosen()

    def open(self, identity: str | None) -> tuple[Any, str]:
        """Open the run."""
        import wandb  # noqa: PLC0415 - an extra, and slow to import

        run = wandb.init(
            id=identity,
            resume="allow" if self._mode == "online" else None,  # offline it cannot look
            mode=self._mode,
            dir=self.folder,
            name=self.title,
            project=self.settings["project"],
            entity=self.settings["entity"],
            tags=self.config["tags"],
            notes=self.config["notes"],
            config=self.config,
            allow_val_change=True,
            reinit="create_new",  # leaves a run alone that a notebook has open
            settings=wandb.Settings(silent=True, console="off"),  # its own lines would go through the progress bar
        )
        run.define_metric(STEP, hidden=True)
        run.define_metric("*", step_metric=STEP)
        if self._mode == "online":
            log.info("logger=wandb: %s", run.url)
        return run, run.id

    def send(self, service: Any, figures: Mapping[str, float], step: int) -> None:
        """Log figures."""
        service.log({**figures, STEP: step})

    def show(self, service: Any, name: str, image: "np.ndarray", step: int) -> None:
        """Log a picture."""
        import wandb  # noqa: PLC0415

        service.log({name: wandb.Image(image), STEP: step})

    def summarise(self, service: Any, results: Mapping[str, Any], sizes: Mapping[str, Any]) -> None:
        """Set what stands beside the run in tables."""
        service.summary.update({**results, **sizes})

    def end(self, service: Any, status: str) -> None:
        """Wait until all is written or sent."""
        service.finish(exit_code=0 if status == "finished" else 1)

    def _chosen(self) -> str:
        """Choose between online and offline; UserError where online is asked for and nobody has logged in."""
        mode = self.settings["mode"]
        asked = os.environ.get("WANDB_MODE", mode) if mode == "auto" else mode
        if asked not in ("auto", "online"):
            return asked
        if _has_key():
            return "online"
        if asked == "online":
            raise UserError("logger.wandb.mode=online: nobody has logged in; type wandb login, or take mode=offline")
        files = shlex.quote(str(self.folder / "wandb"))
        log.info("logger=wandb: nobody has logged in: offline; later: wandb login; wandb sync %s/offline-run-*", files)
        return "offline"


def _has_key() -> bool:
    """Return whether wandb would find a key without asking for one."""
    import wandb  # noqa: PLC0415 - an extra, and slow to import

    settings = wandb.setup().settings
    if settings.api_key or any(os.environ.get(key) for key in KEYS):
        return True
    try:
        hosts = netrc.netrc(os.environ.get("NETRC")).hosts
    except (OSError, netrc.NetrcParseError):
        return False
    return bool({urlsplit(settings.base_url).netloc, "api.wandb.ai"} & hosts.keys())
