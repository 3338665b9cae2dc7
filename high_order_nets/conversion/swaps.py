"""What may be swapped in a network, what must be left and why."""

import inspect
import math
import re
from functools import lru_cache

import torch
from torch import nn
from torchvision.ops import SqueezeExcitation

from ..errors import UserError
from ..layers import IBN, L2, IterNorm, MaxAbs, MaxCenter
from .source import reader_of

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "celu": nn.CELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "hardswish": nn.Hardswish,
    "hardtanh": nn.Hardtanh,
    "prelu": nn.PReLU,
    "softplus": nn.Softplus,
    "tanh": nn.Tanh,
}
"""The activations by name. Sigmoids and softmaxes are gates or read-outs and are never swapped."""
_OF_TIMM = {"GELU", "GELUTanh", "HardMish", "HardSwish", "Mish", "PReLU", "QuickGELU", "Swish", "Tanh"}
_GATES_OF_TIMM = {"SqueezeExcite", "SEModule", "EffectiveSEModule", "GatherExcite"}

_FUNCTIONAL = re.compile(r"(?:F|functional|torch)\.(relu6?|leaky_relu|elu|gelu|silu|mish|hardswish|tanh)_?\(")
_NORM_DIMENSIONS = {nn.BatchNorm1d: 1, nn.BatchNorm2d: 2, nn.BatchNorm3d: 3}
_NORM_DIMENSIONS |= {nn.InstanceNorm1d: 1, nn.InstanceNorm2d: 2, nn.InstanceNorm3d: 3, nn.GroupNorm: 2}
_NORM_DIMENSIONS |= {IBN: 2, IterNorm: 2}
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_INSTANCE_NORMS = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
_WITHOUT_PARAMETERS = {"max_abs": MaxAbs, "max_center": MaxCenter, "l2": L2}
NORMS = ("keep", "none", "batch", "layer", "group", "instance", *_WITHOUT_PARAMETERS)
"""The norms by name."""


def check_names(norm: str, activation: str) -> None:
    """Refuse the name of a norm or an activation that is not known."""
    if norm not in NORMS:
        raise UserError(f"norm={norm!r}: expected one of {', '.join(NORMS)}")
    if activation not in ("auto", "none", "keep", *ACTIVATIONS):
        raise UserError(f"activation={activation!r}: expected auto, none, keep or one of {', '.join(ACTIVATIONS)}")


def make_activation(name: str) -> nn.Module:
    """Make the activation of this name; `none` is the identity."""
    return nn.Identity() if name == "none" else ACTIVATIONS[name]()


def turn_off_fast_path(net: nn.Module, new: list[nn.Module]) -> None:
    """Let transformers with replaced parts compute by their modules: their fast path reads weights and norms."""
    replaced = {id(module) for module in new}
    switches = {nn.TransformerEncoder: "use_nested_tensor", nn.TransformerEncoderLayer: "activation_relu_or_gelu"}
    for module in net.modules():
        for kind, switch in switches.items():
            if isinstance(module, kind) and not replaced.isdisjoint(map(id, module.modules())):
                setattr(module, switch, 0)


def is_gate(module: nn.Module) -> bool:
    """Say whether the module computes a gate: its layers and activations stay."""
    return isinstance(module, SqueezeExcitation) or _is_of_timm(module, _GATES_OF_TIMM)


def is_activation(module: nn.Module) -> bool:
    """Say whether the module is an activation that may be swapped: torch's, or timm's own of the same names."""
    return type(module) in ACTIVATIONS.values() or _is_of_timm(module, _OF_TIMM)


def _is_of_timm(module: nn.Module, names: set[str]) -> bool:
    return type(module).__name__ in names and type(module).__module__.startswith("timm.")


def kept_reason(net: nn.Module, name: str, module: nn.Module, layers: tuple[type[nn.Module], ...]) -> str | None:
    """Say why a module that looks swappable is not; None for the swappable and for those that are no layer."""
    if isinstance(module, nn.MultiheadAttention | nn.RNNBase | nn.RNNCellBase | nn.Bilinear):
        return "its projections are bare parameters"
    if isinstance(module, torch.jit.ScriptModule):
        return "compiled by torch.jit"
    if not isinstance(module, layers):
        return None
    if type(module) not in layers:
        return f"a subclass of {type(module).__bases__[0].__name__}, whose weight may be used directly"
    return _owner_reason(net, name)


def _owner_reason(net: nn.Module, name: str) -> str | None:
    """Look for an owner that keeps its layers: one that reads their weights, or a gate."""
    if reader := reader_of(net, name):
        return reader
    parent_name = name.rpartition(".")[0]
    while True:
        owner = net.get_submodule(parent_name)
        if is_gate(owner):
            return "part of a gate (squeeze-and-excitation)"
        if stays := getattr(owner, "stays", None):  # a network's own word, such as of its attention
            return str(stays)
        if not parent_name:
            return None
        parent_name = parent_name.rpartition(".")[0]


def uses_functional_activation(module: nn.Module) -> bool:
    """Say whether the module's own forward calls an activation function, which no swap of modules can reach."""
    if isinstance(module, nn.TransformerEncoderLayer | nn.TransformerDecoderLayer):
        return not isinstance(module.activation, nn.Module)
    return bool(_FUNCTIONAL.search(_forward_source(type(module))))


@lru_cache(maxsize=1024)
def _forward_source(cls: type[nn.Module]) -> str:
    if cls.__module__.startswith("torch.nn."):
        return ""
    try:
        return inspect.getsource(cls.forward)
    except (OSError, TypeError, AttributeError):  # typed into a prompt, or compiled
        return ""


def make_norm(name: str, old: nn.Module) -> nn.Module | str | None:
    """Make the norm that replaces `old`: a module, a reason why it stays, or None where `old` is no norm."""
    channels, dimensions = _norm_shape(old)
    if isinstance(old, nn.BatchNorm2d | nn.GroupNorm | nn.LayerNorm) and old._modules:
        return f"in one with {' and '.join(old._modules)}"  # as timm's BatchNormAct2d
    if channels is None or name == "none":
        return None if channels is None else nn.Identity()
    if name in _WITHOUT_PARAMETERS:
        return _WITHOUT_PARAMETERS[name](features_last=dimensions is None)
    if name == "layer" and isinstance(old, nn.LayerNorm):
        return "a layer norm already"
    if dimensions is None:
        return f"norm={name} needs channels first"
    index = dimensions - 1
    makers = {
        "batch": lambda: _BATCH_NORMS[index](channels),
        "instance": lambda: _INSTANCE_NORMS[index](channels, affine=True),
        "layer": lambda: nn.GroupNorm(1, channels),
        "group": lambda: nn.GroupNorm(math.gcd(channels, 8), channels),
    }
    new = makers[name]()
    reference = next((t for t in (*old.parameters(), *old.buffers()) if t.is_floating_point()), None)
    return new if reference is None else new.to(device=reference.device, dtype=reference.dtype)


def _norm_shape(module: nn.Module) -> tuple[int | None, int | None]:
    """Channels and spatial dimensions of a norm; dimensions None where the features are the last axis."""
    if isinstance(module, nn.LayerNorm):
        # torchvision's LayerNorm2d permutes: its channels come first.
        return module.normalized_shape[-1], 2 if type(module).__name__ == "LayerNorm2d" else None
    if isinstance(module, nn.GroupNorm):
        return module.num_channels, 2
    if type(module) in _NORM_DIMENSIONS:
        return module.num_features, _NORM_DIMENSIONS[type(module)]  # type: ignore[union-attr,return-value]
    return None, None
