"""Change the number of channels of a convolutional network."""

import math
from collections.abc import Callable
from typing import Any

from torch import nn
from torchvision.models import ResNet

from ..errors import UserError
from .bonds import Bonds, given_attributes

WITH_WIDTH = "ResNets, simple, mlp, transformer, autoencoders"


def scalable(net: nn.Module) -> bool:
    """Say whether every width of the network follows from one factor: ResNets, and classes that say so or do it."""
    return isinstance(net, ResNet) or getattr(net, "scalable_width", False) or hasattr(net, "rescale_planes")


def scale_width(net: nn.Module, divisor: float, asked: str) -> None:
    """Divide all inner channels by the divisor, rounding down, in place; fresh weights.

    Image channels and classes stay. A width stays divisible by the network's convolution groups: it is
    rounded down to a multiple of them. Raises UserError, naming what was `asked` for, where one factor does not
    decide all widths, or where something hangs on a layer that would be lost. A network with a method
    `rescale_planes(divisor)` does it itself.
    """
    if not scalable(net):
        raise UserError(f"{asked}: {type(net).__name__} has no common width; {WITH_WIDTH} have one")
    if rescale_planes := getattr(net, "rescale_planes", None):  # a network that knows which of its widths are free
        rescale_planes(divisor)
        return
    others = {type(m).__name__ for m in net.modules() if isinstance(m, nn.GroupNorm | nn.LayerNorm)}
    if others:
        raise UserError(f"{asked}: cannot resize {', '.join(others)}; convert with norm= after the width is right")
    layers = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    unit = math.lcm(*(m.groups for m in layers if isinstance(m, nn.Conv2d)))

    def scaled(width: int) -> int:
        # The small term keeps 64 / (1 / 1.5) at 96, whatever the division rounds to.
        return max(unit, int(width / divisor + 1e-6) // unit * unit)

    bonds, names = Bonds(net), {id(module): name for name, module in net.named_modules()}
    made: dict[int, nn.Module | None] = {}
    for parent in list(net.modules()):
        for key, child in parent._modules.items():
            if child is None or id(child) not in names:  # made just now
                continue
            if id(child) not in made:
                new = _resized(child, scaled, child is layers[0], child is layers[-1])
                if new is not None and (reason := bonds.reason(child)):
                    raise UserError(f"{asked}: cannot resize {names[id(child)]}: {reason}")
                made[id(child)] = None if new is None else _as_it_was(child, new)
            if new := made[id(child)]:
                setattr(parent, key, new)
    start_anew(net)


def start_anew(net: nn.Module) -> None:
    """Let a network that draws its weights in its own way do so again, after layers of it were made anew."""
    if isinstance(net, ResNet) and callable(draw := getattr(net, "reset_parameters", None)):
        draw()


def _as_it_was(old: nn.Module, new: nn.Module) -> nn.Module:
    """Give the mode, what is frozen and the attributes of the old one to the new one."""
    for name, parameter in new.named_parameters():
        parameter.requires_grad_(old.get_parameter(name).requires_grad)
    for key, value in given_attributes(old).items():
        setattr(new, key, value)
    return new.train(old.training)


def _resized(module: nn.Module, scaled: Callable[[int], int], is_first: bool, is_last: bool) -> nn.Module | None:
    if isinstance(module, nn.Conv2d):
        inputs = module.in_channels if is_first else scaled(module.in_channels)
        return conv_like(module, inputs, scaled(module.out_channels))
    if resized := getattr(module, "resized", None):  # a norm or a gate of this library
        return resized(scaled(module.num_features), **_like(module))  # type: ignore[no-any-return,arg-type]
    if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d | nn.InstanceNorm2d):
        options = {key: getattr(module, key) for key in ("eps", "momentum", "affine", "track_running_stats")}
        return type(module)(scaled(module.num_features), **options, **_like(module))
    if isinstance(module, nn.Linear):
        inputs = module.in_features if is_first else scaled(module.in_features)
        outputs = module.out_features if is_last else scaled(module.out_features)
        return nn.Linear(inputs, outputs, module.bias is not None, **_like(module))
    return None


def _like(module: nn.Module) -> dict[str, Any]:
    reference = next((t for t in (*module.parameters(), *module.buffers()) if t.is_floating_point()), None)
    return {} if reference is None else {"device": reference.device, "dtype": reference.dtype}


def conv_like(conv: nn.Conv2d, in_channels: int, out_channels: int) -> nn.Conv2d:
    """Make the convolution with other channel counts, He-initialised as torchvision's ResNets are."""
    new = nn.Conv2d(
        in_channels,
        out_channels,
        conv.kernel_size,  # type: ignore[arg-type]
        conv.stride,  # type: ignore[arg-type]
        conv.padding,  # type: ignore[arg-type]
        conv.dilation,  # type: ignore[arg-type]
        conv.groups,
        conv.bias is not None,
        conv.padding_mode,
        **_like(conv),
    )
    nn.init.kaiming_normal_(new.weight, mode="fan_out", nonlinearity="relu")
    return new


def width_matching(parameters: Callable[[float], int], target: int) -> float:
    """Find the divisor whose network has the parameter count nearest to the target, by bisection of a falling count."""
    low, high = math.log(0.02), math.log(50.0)
    misses: dict[float, int] = {}
    for _ in range(20):
        middle = (low + high) / 2
        count = parameters(math.exp(middle))
        misses[math.exp(middle)] = abs(count - target)
        low, high = (middle, high) if count > target else (low, middle)
    return min(misses, key=misses.__getitem__)
