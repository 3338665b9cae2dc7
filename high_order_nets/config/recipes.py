"""Which parts of a training recipe go with the task, the data and the optimizer."""

from ..errors import UserError, show
from ..settings import Config, validates


def check_recipe(config: Config) -> None:
    """Refuse what the task, the data or the optimizer cannot have."""
    _check_mixing(config, config["dataset"].get("augment", {}))
    _check_parts(config, config["accumulate"])
    if config["measure"]["test_flip"] and config["task"]["name"] != "classification":
        task = f"task={config['choices']['task']}"
        raise UserError(f"measure.test_flip=true: averages the logits of classes, and {task} has none")
    if config["ema"]["best"] and config["ema"]["decay"] is None:
        raise UserError("ema.best=true: there is no average of weights; add ema.decay=0.999")
    if config["ema"]["best"] and not validates(config):
        raise UserError("ema.best=true: needs a validation split; add val_fraction=0.1")


def _check_mixing(config: Config, augment: Config) -> None:
    """Refuse mixed labels where a task has none."""
    for key in ("mixup", "cutmix"):
        if config["augment"] and augment.get(key) and config["task"]["name"] != "classification":
            task = f"task={config['choices']['task']}"
            raise UserError(f"dataset.augment.{key}={augment[key]}: mixes labels of classes, and {task} has none")


def _check_parts(config: Config, parts: int) -> None:
    """Refuse more parts of a step than it has items, and parts whose graphs the optimizer would keep."""
    if parts > config["batch_size"]:
        raise UserError(f"accumulate={parts}: takes a step in parts, and batch_size={show(config['batch_size'])}")
    if parts > 1 and config["optimizer"].get("create_graph"):
        name = f"optimizer={config['choices']['optimizer']}"
        raise UserError(f"accumulate={parts}: {name} differentiates gradients again, so that all parts stay in memory")
