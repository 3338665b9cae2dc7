"""Networks of timm (pytorch-image-models), an extra, by their names; without weights of others."""

from typing import Any

from torch import nn

from ..errors import UserError, nearest, show
from ..timm_names import arguments, entry, takes_size


def timm_model(name: str, channels: int, num_classes: int, image_size: int, **options: Any) -> nn.Module:
    """Build (batch, channels, image_size, image_size) → (batch, num_classes), with random weights.

    `options` are arguments of the network's class, such as drop_rate and drop_path_rate; None is the network's own.
    Raises UserError for a name that timm does not have and for other options: no file and no address is opened.
    """
    build, known = entry(name), arguments(name)
    for key, value in options.items():
        if key not in known:
            raise UserError(f"model_name.{key}={show(value)}: timm/{name} takes no {key}{nearest(key, known)}")
    given = {key: value for key, value in options.items() if value is not None}
    sizes = {"img_size": image_size} if takes_size(name) else {}
    return build(pretrained=False, num_classes=num_classes, in_chans=channels, **sizes, **given)  # type: ignore[no-any-return]
