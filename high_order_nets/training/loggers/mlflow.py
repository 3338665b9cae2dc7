"""MLflow."""

import logging
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from ...files import whole_file
from ...settings import Config, flat
from .service import Service

if TYPE_CHECKING:
    import numpy as np

SURROUNDINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # seven would hold a training up for minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}
"""What MLflow is told of the network, where the user has told it nothing."""
ENDS = {"finished": "FINISHED", "interrupted": "KILLED"}
DATABASE = "mlflow.db"
MOST = 100
"""Settings that it takes at a time."""


class MLflow(Service):
    """Log to a run of MLflow: of a server, or of a database in outputs/, with its pictures in outputs/mlruns/."""

    def __init__(self, config: Config, folder: Path, *, anew: bool):
        super().__init__("mlflow", config, folder, anew=anew)
        named = self.settings["tracking_uri"] or os.environ.get("MLFLOW_TRACKING_URI")
        self._outputs = None if named else Path(config["root"]) / "outputs"
        self._uri = named or _address(Path(config["root"]) / "outputs" / DATABASE)

    def open(self, identity: str | None) -> tuple[Any, str]:
        """Open the run."""
        os.environ.update({key: value for key, value in SURROUNDINGS.items() if key not in os.environ})
        from mlflow import MlflowClient  # noqa: PLC0415 - an extra, and slow to import

        logging.getLogger("mlflow").setLevel(logging.WARNING)
        if self._outputs:
            _make_database(self._outputs)
        client = MlflowClient(self._uri)
        if identity is None:
            return client, self._begun(client)
        client.update_run(identity, status="RUNNING")
        return client, identity

    def send(self, service: Any, figures: Mapping[str, float], step: int) -> None:
        """Log figures."""
        from mlflow.entities import Metric  # noqa: PLC0415

        now = int(time.time() * 1000)
        metrics = [Metric(_allowed(name), float(value), now, step) for name, value in figures.items()]
        service.log_batch(self.version, metrics)

    def show(self, service: Any, name: str, image: "np.ndarray", step: int) -> None:
        """Log a picture."""
        service.log_image(self.version, image, key=name, step=step)

    def summarise(self, service: Any, results: Mapping[str, Any], sizes: Mapping[str, Any]) -> None:
        """Log the sizes: the results have been logged."""
        self.send(service, sizes, 0)

    def end(self, service: Any, status: str) -> None:
        """Say how it ended."""
        service.set_terminated(self.version, ENDS.get(status, "FAILED"))

    def _begun(self, client: Any) -> str:
        """Begin a run, with the settings and what someone says of it; return its id."""
        from mlflow.entities import Param  # noqa: PLC0415

        said = dict.fromkeys(map(_allowed, self.config["tags"]), "true")
        said |= {"mlflow.note.content": self.config["notes"]} if self.config["notes"] else {}
        identity = client.create_run(self._experiment(client), tags=said, run_name=self.title).info.run_id
        params = [Param(_allowed(key), str(value)[:500]) for key, value in flat(self.config).items()]
        for first in range(0, len(params), MOST):
            client.log_batch(identity, params=params[first : first + MOST])
        return identity

    def _experiment(self, client: Any) -> str:
        """Return the id of the experiment, which another process may be making too."""
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        name = self.settings["experiment"]
        place = (self._outputs / "mlruns").as_uri() if self._outputs else None
        if (found := client.get_experiment_by_name(name)) is None:
            try:
                return client.create_experiment(name, artifact_location=place)
            except MlflowException:
                found = client.get_experiment_by_name(name)
                if found is None:
                    raise
        return found.experiment_id


def _make_database(outputs: Path) -> None:
    """Make the database if there is none; two processes that make it at once, or one that is killed, would break it."""
    from mlflow import MlflowClient  # noqa: PLC0415

    outputs.mkdir(parents=True, exist_ok=True)
    file = outputs / DATABASE
    with FileLock(file.with_name(f".{file.name}.lock")):
        if not file.exists():
            with whole_file(file) as part:
                MlflowClient(_address(part)).search_experiments()


def _address(file: Path) -> str:
    return f"sqlite:///{file}"


def _allowed(name: str) -> str:
    """Return the name as MLflow takes it."""
    return re.sub(r"[^\w./: -]", "_", name)
