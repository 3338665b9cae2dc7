"""What may be said of where a run is trained and where it is logged."""

from importlib.util import find_spec

from ..errors import UserError
from ..settings import Config
from .rules import Rule, whole, word

_NAME = Rule("a name", lambda value: isinstance(value, str) and bool(value.strip()))
_NULL = Rule("null", lambda value: value is None)

RULES: dict[str, Rule] = {
    "trainer.accelerator": word("auto", "cpu", "gpu", "cuda", "mps"),
    "trainer.devices": whole("[1, inf)") | word("auto"),
    "logger.wandb.project": _NAME,
    "logger.wandb.entity": _NAME | _NULL,
    "logger.wandb.name": _NAME | _NULL,
    "logger.wandb.mode": word("auto", "online", "offline"),
    "logger.mlflow.experiment": _NAME,
    "logger.mlflow.name": _NAME | _NULL,
    "logger.mlflow.tracking_uri": _NAME | _NULL,
}
PACKAGES = {"wandb": ("wandb",), "mlflow": ("mlflow", "sqlalchemy", "alembic")}
"""What a logger needs that does not come with this program: the extra of its name."""


def check(config: Config) -> None:
    """Refuse loggers that are not installed."""
    for name in config["logger"]:
        if not all(map(_is_installed, PACKAGES.get(name, ()))):
            raise UserError(f'logger={name}: not installed; install it by: pip install "high-order-nets[{name}]"')


def _is_installed(package: str) -> bool:
    """Return whether a package can be imported; a mere folder of its name is none."""
    found = find_spec(package)
    return found is not None and found.origin is not None
