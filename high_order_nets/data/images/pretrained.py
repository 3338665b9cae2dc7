"""What torchvision's own weights take images as."""

from torchvision.models import WeightsEnum, get_model_weights

from ...errors import UserError
from .normalise import Normalisation


def weights_of(target: str) -> WeightsEnum:
    """Give torchvision's best weights of a builder, `torchvision.models.resnet18`; UserError where it has none."""
    name = target.rpartition(".")[2]
    try:
        return get_model_weights(name)["DEFAULT"]  # type: ignore[index] - an Enum
    except (ValueError, KeyError) as error:
        raise UserError(f"pretrained=true: torchvision has no weights of {name}; take resnet18") from error


def of_weights(weights: WeightsEnum, image_size: int | None = None) -> Normalisation:
    """Make the scaling of images that the weights were tested with.

    Pixels 0 … 1, minus a mean, by a deviation a channel, of the middle of the resized image; with an `image_size` the
    whole image gets that many pixels a side.
    """
    preset = weights.transforms()
    offset, factor = tuple(255 * mean for mean in preset.mean), tuple(1 / (255 * std) for std in preset.std)
    if image_size is not None:
        return Normalisation(offset, factor, image_size, mode=preset.interpolation.value)
    return Normalisation(offset, factor, preset.crop_size[0], preset.resize_size[0], preset.interpolation.value)
