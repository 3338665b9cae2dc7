"""What may be said of where a run is trained and where it is logged."""

from collections.abc import Callable
from importlib.util import find_spec

from ..errors import UserError, show
from ..settings import Config, at, is_shared_out
from .rules import NULL, Rule, whole, word

_NAME = Rule("a name", lambda value: isinstance(value, str) and bool(value.strip()))

RULES: dict[str, Rule] = {
    "trainer.accelerator": word("auto", "cpu", "gpu", "cuda", "mps"),
    "trainer.devices": whole("[1, inf)") | word("auto"),
    "trainer.num_nodes": whole("[1, inf)") | word("auto"),
    "logger.wandb.project": _NAME,
    "logger.wandb.entity": _NAME | NULL,
    "logger.wandb.name": _NAME | NULL,
    "logger.wandb.mode": word("auto", "online", "offline"),
    "logger.mlflow.experiment": _NAME,
    "logger.mlflow.name": _NAME | NULL,
    "logger.mlflow.tracking_uri": _NAME | NULL,
}
PACKAGES = {"wandb": ("wandb",), "mlflow": ("mlflow", "sqlalchemy", "alembic")}
"""What a logger needs that does not come with this program: the extra of its name."""

UNSHARED: tuple[tuple[str, Callable[[Config], bool]], ...] = (
    ("optimizer", lambda config: str(config["optimizer"].get("_target_")).endswith(".LBFGS")),
    ("optimizer", lambda config: bool(config["optimizer"].get("create_graph"))),
    ("layer_by_layer", lambda config: config["layer_by_layer"]),
    ("refine.epochs", lambda config: bool(config["refine"]["epochs"])),
    ("functions.smoothness", lambda config: config["functions"]["smoothness"] > 0),
    ("functions.decay_by_degree", lambda config: config["functions"]["decay_by_degree"] is not None),
    ("align", lambda config: config["align"] not in ("none", "batch")),
    ("clamp_weights", lambda config: config["clamp_weights"] is not None),
    ("ema.decay", lambda config: config["ema"]["decay"] is not None),
    ("accumulate", lambda config: config["accumulate"] > 1),
    ("measure.degree", lambda config: config["measure"]["degree"] > 0),
    ("measure.best_test", lambda config: config["measure"]["best_test"]),
    ("compile", lambda config: config["compile"]),
    ("precision", lambda config: config["precision"] not in ("32-true", "bf16-mixed")),
)
"""What needs a whole network in one process, or has not been made for parts of one."""


def check(config: Config) -> None:
    """Refuse loggers that are not installed, and what does not go with a network that is shared out."""
    for name in config["logger"]:
        if not all(map(_is_installed, PACKAGES.get(name, ()))):
            raise UserError(f'logger={name}: not installed; install it by: pip install "high-order-nets[{name}]"')
    for key, holds in UNSHARED if is_shared_out(config) else ():
        if holds(config):
            value = show(config["choices"].get(key, at(config, key)))
            raise UserError(f"{key}={value}: does not go with trainer=fsdp; take trainer=ddp")


def _is_installed(package: str) -> bool:
    """Return whether a package can be imported; a mere folder of its name is none."""
    found = find_spec(package)
    return found is not None and found.origin is not None
