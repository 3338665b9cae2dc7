"""What a run starts from, what of it stays as it is, and which learning rates parts of it have."""

from .. import targets
from ..errors import UserError, show
from ..settings import DOT, Config, is_debug
from .rules import NAME, NAMES, NULL, Rule, is_number, number, whole

RATES = "learning_rates."
"""How the key of a part's learning rate begins."""
TUNING = {
    "init_from.path": NAME | NULL,
    "freeze": NAMES | NAME,
    "unfreeze_at": whole("[1, inf)") | NULL,
    "learning_rates": Rule(
        "numbers above 0 by patterns of module names, such as {layer4.*:0.01}",
        lambda value: isinstance(value, dict) and all(is_number(rate) and rate > 0 for rate in value.values()),
    ),
    "stage_lr": number("(0, 1]"),
}
"""The rules of these knobs."""


def named(config: Config) -> Config:
    """Return the config with the patterns of learning rates as they are typed; null is none."""
    rates = {} if config["learning_rates"] is None else config["learning_rates"]
    if not isinstance(rates, dict):
        return config
    return config | {"learning_rates": {str(pattern).replace(DOT, "."): rate for pattern, rate in rates.items()}}


def check_tuning(config: Config) -> None:
    """Refuse a start that the network cannot have, and parts with a rate or a rest where all are alike."""
    if config["pretrained"]:
        _check_pretrained(config)
    _check_freezing(config)
    for said in _rates(config):
        if str(config["optimizer"]["_target_"]).endswith(".LBFGS"):
            raise UserError(f"{said}: optimizer=lbfgs has one rate for all; take another")
        if config["layer_by_layer"]:
            raise UserError(f"{said}: layer_by_layer=true trains each stage at one rate; leave one of them out")


def _rates(config: Config) -> list[str]:
    """Say which parts have rates of their own."""
    factor = [f"stage_lr={config['stage_lr']}"] if config["stage_lr"] != 1 else []
    return [*(f"learning_rate.{pattern}={rate}" for pattern, rate in config["learning_rates"].items()), *factor]


def _check_freezing(config: Config) -> None:
    """Refuse a thaw of nothing, one that never comes, and one that several processes cannot follow."""
    freeze, epoch = config["freeze"], config["unfreeze_at"]
    if freeze and config["layer_by_layer"]:
        raise UserError(f"freeze={show(freeze)}: layer_by_layer=true freezes stages itself; leave one of them out")
    if epoch is None:
        return
    if not freeze:
        raise UserError(f"unfreeze_at={epoch}: nothing is frozen; add freeze=[stem,layer1] or the like")
    if epoch >= config["max_epochs"] and not is_debug(config):
        raise UserError(f"unfreeze_at={epoch}: training ends after max_epochs={config['max_epochs']}")
    if config["choices"]["trainer"] == "ddp":
        raise UserError(f"unfreeze_at={epoch}: one process alone can unfreeze; take trainer=gpu or cpu")


def _check_pretrained(config: Config) -> None:
    """Refuse a network, or data, that torchvision's weights are not of."""
    chosen, said = config["choices"], "pretrained=true"
    if config["init_from"]["path"] is not None:
        raise UserError(f"{said}: init_from={config['init_from']['path']} has other weights; leave one of them out")
    if not targets.is_allowed(config["model_name"]["_target_"], (targets.TORCHVISION,)):
        raise UserError(f"{said}: torchvision has no weights of model_name={chosen['model_name']}; take resnet18")
    if config["dataset"].get("kind", "images") != "images":
        raise UserError(f"{said}: torchvision's weights take images, and dataset={chosen['dataset']} has none")
    if config["width"] != 1:
        raise UserError(f"width={config['width']}: torchvision's weights are of width=1; leave it or {said} out")
    if config["stem"] in ("cifar", "cifar2"):
        raise UserError(f"stem={config['stem']}: torchvision's weights are of stem=imagenet; leave it or {said} out")
    if config["layer_type"]["_target_"] is not None and config.get("weights") != "keep":
        advice = "take layer_type=standard, or weights=keep to begin with functions that are lines"
        raise UserError(f"{said}: the layers of layer_type={chosen['layer_type']} begin anew; {advice}")
