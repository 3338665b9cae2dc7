"""Names known without importing torch: of layer types, taken apart, of torchvision's classifiers; auto and keep."""

from collections.abc import Mapping
from typing import Any, NamedTuple

DIMENSIONS = ("1d", "2d", "3d")
"""Of the convolutions that a layer type is meant for, at the end of its name."""
TORCHVISION: tuple[str, ...] = (
    "alexnet",
    "convnext_base",
    "convnext_large",
    "convnext_small",
    "convnext_tiny",
    "densenet121",
    "densenet161",
    "densenet169",
    "densenet201",
    "efficientnet_b0",
    "efficientnet_b1",
    "efficientnet_b2",
    "efficientnet_b3",
    "efficientnet_b4",
    "efficientnet_b5",
    "efficientnet_b6",
    "efficientnet_b7",
    "efficientnet_v2_l",
    "efficientnet_v2_m",
    "efficientnet_v2_s",
    "googlenet",
    "inception_v3",
    "maxvit_t",
    "mnasnet0_5",
    "mnasnet0_75",
    "mnasnet1_0",
    "mnasnet1_3",
    "mobilenet_v2",
    "mobilenet_v3_large",
    "mobilenet_v3_small",
    "regnet_x_16gf",
    "regnet_x_1_6gf",
    "regnet_x_32gf",
    "regnet_x_3_2gf",
    "regnet_x_400mf",
    "regnet_x_800mf",
    "regnet_x_8gf",
    "regnet_y_128gf",
    "regnet_y_16gf",
    "regnet_y_1_6gf",
    "regnet_y_32gf",
    "regnet_y_3_2gf",
    "regnet_y_400mf",
    "regnet_y_800mf",
    "regnet_y_8gf",
    "resnet101",
    "resnet152",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnext101_32x8d",
    "resnext101_64x4d",
    "resnext50_32x4d",
    "shufflenet_v2_x0_5",
    "shufflenet_v2_x1_0",
    "shufflenet_v2_x1_5",
    "shufflenet_v2_x2_0",
    "squeezenet1_0",
    "squeezenet1_1",
    "swin_b",
    "swin_s",
    "swin_t",
    "swin_v2_b",
    "swin_v2_s",
    "swin_v2_t",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
    "vit_b_16",
    "vit_b_32",
    "vit_h_14",
    "vit_l_16",
    "vit_l_32",
    "wide_resnet101_2",
    "wide_resnet50_2",
)

WEIGHTS = ("draw", "keep")
"""Where converted layers have their weights from."""
_WITH_KEPT: dict[str, tuple[str, tuple[Any, ...]]] = {
    "norm": ("makes other norms", ("keep",)),
    "activation": ("is another function", ("auto", "keep", "none")),
    "rescale_planes": ("makes other widths", (1,)),
    "init": ("draws the functions", ("linear",)),
    "align": ("standardises inputs anew in every batch", ("none", "layer", "channel", "auto")),
}
"""By option, what its other values do, and those that go with weights=keep."""


class LayerName(NamedTuple):
    """A layer type's name, taken apart: polynomial_prod2d is the family polynomial_prod and the dimensions 2d."""

    family: str
    dimensions: str

    @property
    def product(self) -> bool:
        """Say whether neurons multiply: those of `product` and of every `…_prod`."""
        return self.family == "product" or self.family.endswith("_prod")

    @property
    def basis(self) -> str:
        """The name of the basis; `product` stands for the one that has none, a weight a connection."""
        return self.family.removesuffix("_prod")


def layer_name(layer_type: str) -> LayerName:
    """Take the name of a layer type apart; dimensions is empty where the name has none."""
    dimensions = layer_type[-2:] if layer_type.endswith(DIMENSIONS) else ""
    return LayerName(layer_type.removesuffix(dimensions), dimensions)


def automatic_length(n: int | None, segments: int | None) -> float:
    """Give what scale=auto stands for: the interval's length in standard deviations of a layer's input.

    4, and 5 for functions of more than three nodes or terms or more than four segments, which bend more at the ends.
    None stands for what the functions do not have.
    """
    return 4.0 if (n or 0) <= 3 and (segments or 0) <= 4 else 5.0


def beside_kept(options: Mapping[str, Any]) -> str | None:
    """Say which of these options cannot go with weights=keep, and what to take; None where all can."""
    for key, value in options.items():
        does, allowed = _WITH_KEPT[key]
        if value not in allowed:
            return f"{key}={value}: {does}, and weights=keep keeps what there is; take {key}={allowed[0]}"
    return None
