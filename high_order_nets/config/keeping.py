"""Which settings go with weights=keep."""

from .. import targets
from ..errors import UserError, show
from ..names import beside_kept
from ..settings import OPEN, Config
from ..unread import makes_its_layers


def check_kept(config: Config) -> None:
    """Refuse what would change weights, or functions, that are to stay."""
    unread = makes_its_layers(config) or not targets.is_basis(config["layer_type"]["_target_"])
    if config["weights"] != "keep" or unread:
        return
    options = {key: config[key] for key in ("activation", "rescale_planes", "init", "align")}
    if reason := beside_kept({"norm": config["norm"]["name"]} | options):
        raise UserError(reason)
    for pattern, own in config[OPEN].items():
        if reason := beside_kept({key: own[key] for key in ("init", "align") if key in own}):
            raise UserError(f"rules={show({pattern: own})}: {reason}")
