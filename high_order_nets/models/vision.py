"""Image classifiers, fitted to a data set's images and classes."""

from collections.abc import Callable
from inspect import Parameter, signature
from typing import Any

import torch
from torch import nn
from torchvision.models import DenseNet, ResNet

from ..conversion.widths import conv_like, scale_width, start_anew
from ..errors import UserError

STEMS = ("auto", "cifar", "cifar2", "imagenet")
SMALL_IMAGE = 64
"""Images up to this many pixels a side get the CIFAR stem by default."""
RESIZE = "a larger dataset.image_size (64, 96, 224) resizes them"


def image_classifier(
    build: Callable[..., nn.Module],
    *,
    channels: int,
    classes: int,
    image_size: int,
    stem: str = "auto",
    width: float = 1.0,
    options: dict[str, Any] | None = None,
    called: str = "",
) -> nn.Module:
    """Build a network of (batch, channels, image_size, image_size) → (batch, classes), or of an autoencoder → images.

    build takes `num_classes` as torchvision's functions do, or what its parameters ask for, and a model's own options.
    stem `cifar` is a 3×3 convolution of stride 1 without max-pool, `cifar2` the same with stride 2, `imagenet`
    torchvision's own. width multiplies all channels. `called` is the network's name in errors.
    Raises UserError where the network cannot take such images, a stem or a width.
    """
    called = called or build.__name__
    if any((options or {}).get(key) not in (None, False) for key in ("weights", "pretrained")):
        raise UserError(f"model_name={called}: leave weights out of its file; pretrained=true takes them")
    try:
        net = build(**_keywords(build, channels, classes, image_size), **(options or {}))
    except TypeError as error:
        raise UserError(f"model_name={called}: no network: {error}") from error
    except (ValueError, AssertionError) as error:
        raise UserError(
            f"model_name={called}: no network for {image_size}×{image_size} images: {error}; {RESIZE}"
        ) from error
    if not isinstance(net, nn.Module):
        raise UserError(f"model_name={called}: gave {type(net).__name__}; expected a network, an nn.Module")
    _set_stem(net, stem, image_size)
    if width != 1:
        scale_width(net, 1 / width, f"width={width:g}")
    _set_channels(net, channels)
    start_anew(net)
    _probe(net, called, channels, image_size, classes)
    return net


def _keywords(build: Callable[..., nn.Module], channels: int, classes: int, image_size: int) -> dict[str, Any]:
    """Give the keywords that a network wants: by their parameters, torchvision's by name beside the classes."""
    offered = {"channels": channels, "num_classes": classes, "image_size": image_size}
    parameters = signature(build).parameters
    asked = offered.keys() & parameters
    if asked or all(each.kind is not Parameter.VAR_KEYWORD for each in parameters.values()):
        return {key: offered[key] for key in asked}
    return {"num_classes": classes} | _of_torchvision(build.__name__, image_size)


def _of_torchvision(name: str, image_size: int) -> dict[str, Any]:
    if name in ("inception_v3", "googlenet"):
        # Auxiliary heads serve ImageNet's training recipe and change what the network returns.
        return {"aux_logits": False, "init_weights": True}
    if name.startswith("vit_"):
        return {"image_size": image_size}
    if name == "maxvit_t":
        return {"input_size": (image_size, image_size)}
    return {}


def _set_stem(net: nn.Module, stem: str, image_size: int) -> None:
    if stem == "imagenet" or (stem == "auto" and image_size > SMALL_IMAGE):
        return
    stride = 2 if stem == "cifar2" else 1
    if isinstance(net, ResNet):
        net.conv1 = _small_conv(net.conv1.out_channels, stride)
        net.maxpool = nn.Identity()  # type: ignore[assignment]
    elif isinstance(net, DenseNet):
        net.features.conv0 = _small_conv(net.features.conv0.out_channels, stride)  # type: ignore[union-attr,arg-type]
        net.features.pool0 = nn.Identity()
    elif stem != "auto":
        raise UserError(f"stem={stem}: {type(net).__name__} has a stem of its own; ResNets and DenseNets take {stem}")


def _small_conv(outputs: int, stride: int) -> nn.Conv2d:
    conv = nn.Conv2d(3, outputs, 3, stride, padding=1, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return conv


def _set_channels(net: nn.Module, channels: int) -> None:
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d):
            if module.in_channels != channels:
                parent, _, child = name.rpartition(".")
                setattr(net.get_submodule(parent), child, conv_like(module, channels, module.out_channels))
            return


def _probe(net: nn.Module, name: str, channels: int, image_size: int, classes: int) -> None:
    training = net.training
    try:
        with torch.no_grad():
            found = net.eval()(torch.zeros(1, channels, image_size, image_size))
    except (RuntimeError, AssertionError, ValueError) as error:
        told = " ".join(str(error).split())
        raise UserError(f"model_name={name}: cannot take {image_size}×{image_size} images: {told}; {RESIZE}") from error
    finally:
        net.train(training)
    if getattr(found, "ndim", None) == 2 and found.shape != (1, classes):
        raise UserError(f"model_name={name}: gives {tuple(found.shape)} for an image; expected (1, {classes})")
