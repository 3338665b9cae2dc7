"""convert: any nn.Module → its high-order variant, with a report."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatch
from typing import Any

from torch import nn

from ..basis.synapse import OPTIONS
from ..errors import UserError
from ..layers import HighOrder, HighOrderLayer, LayerType, Synapse, make_synapse
from ..layers.keywords import check_keywords
from ..layers.layer_type import LAYERS, refuse_options
from ..names import layer_name
from .bonds import Bonds, given_attributes
from .counting import count_parameters, count_reduced_parameters
from .pooling import add_pool_function, check_pooling
from .report import Kept, Report, Swap
from .source import STATISTICS, reader_of
from .swaps import (
    ACTIVATIONS,
    check_names,
    is_gate,
    kept_reason,
    make_activation,
    make_norm,
    turn_off_fast_path,
    uses_functional_activation,
)
from .widths import WITH_WIDTH, scalable, scale_width, width_matching

DEFAULTS = {"scale": 4.0, "domain": "tanh", "parameters": "spectral"}
"""The synapse options that win in training (results/cifar100_cpu.md); the layers themselves default to the seed's."""


def convert(
    module: nn.Module,
    layer_type: str | Synapse | LayerType | None = "polynomial2d",
    *,
    norm: str = "keep",
    activation: str = "auto",
    rescale_planes: float | str = 1,
    skip: str | Sequence[str] = (),
    linear_output: bool = True,
    pool_function: bool = False,
    **options: Any,
) -> tuple[nn.Module, Report]:
    """Give the high-order variant of a network and a report; the module itself is left untouched.

    - layer_type: a name (`polynomial2d`, `continuous`, … or `standard`, which swaps no layer), with the options
      n, segments, scale and the fields of Synapse (domain, sharing, base, parameters, init, …); a Synapse; or another
      LayerType.
    - norm: keep, none, batch, layer, group, instance, max_abs, max_center, l2.
    - activation: none, keep or a name; auto is none where the new layers bend by themselves, else keep. Gates stay.
    - rescale_planes: divide the widths by this (ResNets, simple, mlp, autoencoders, a transformer's feed-forwards);
      `match`: until the parameter count equals the module's; `match_reduced`: the same, the constants of a neuron
      counted once.
    - skip: `stem`, `head`, `downsample` or patterns of module names that are left as they are.
    - linear_output: keep the classifier head linear.
    - pool_function: put a function a channel between a ResNet's last block and its mean over the image.

    Layers are swapped by exact type, and their weights are new; a network with a method `init_converted()` is asked to
    bring them to the size of its own start. What others share, hook, hold or read is left, and the
    report says why. Raises UserError for a name that is not known or widths that cannot be changed.
    """
    if not module._modules:  # a bare layer, which is no head, or a bare norm: it takes a parent to be replaced in
        choices = {"norm": norm, "activation": activation, "rescale_planes": rescale_planes, "skip": skip}
        choices["pool_function"] = pool_function
        net, report = convert(nn.Sequential(module), layer_type, linear_output=False, **choices, **options)
        return net.get_submodule("0"), report
    check_names(norm, activation)
    new = _layer_type(layer_type, options)
    skip = (skip,) if isinstance(skip, str) else tuple(skip)
    if activation == "auto":
        activation = "none" if new is not None and new.bends else "keep"
    _check_skip(module, skip)
    if pool_function:
        check_pooling(module, new)
    plan = _Plan(new, norm, activation, skip + (("head",) if linear_output else ()), pool_function)
    _check_dimensions(module, layer_type)
    divisor = _divisor(module, plan, rescale_planes)
    net = deepcopy(module)
    plan.apply(net, divisor)
    return net, plan.report(module, net, divisor)


def _layer_type(layer_type: str | Synapse | LayerType | None, options: dict[str, Any]) -> LayerType | None:
    standard = layer_type in ("standard", None)
    try:
        check_keywords(convert, options, OPTIONS)
        if not isinstance(layer_type, Synapse | LayerType):
            synapse = make_synapse("polynomial" if standard else str(layer_type), **(DEFAULTS | options))
            return None if standard else HighOrder(synapse)
        refuse_options(layer_type, options)
    except (ValueError, TypeError) as error:
        raise UserError(str(error)) from error
    return HighOrder(layer_type) if isinstance(layer_type, Synapse) else layer_type


def _check_dimensions(module: nn.Module, layer_type: str | Synapse | LayerType | None) -> None:
    """Refuse polynomial1d for a network whose convolutions have two dimensions."""
    name = layer_name(layer_type if isinstance(layer_type, str) else "")
    convolutions = [m for m in module.modules() if isinstance(m, LAYERS) and not isinstance(m, nn.Linear)]
    there = {f"{len(m.kernel_size)}d" for m in convolutions}  # type: ignore[arg-type]
    if name.dimensions and there and name.dimensions not in there:
        others = ", ".join(f"{name.family}{dimensions}" for dimensions in sorted(there))
        raise UserError(f"layer_type={layer_type}: fits none of this network's convolutions; nearest name: {others}")


def _check_skip(module: nn.Module, skip: tuple[str, ...]) -> None:
    """Refuse a pattern that matches no layer: it would silently do nothing."""
    names = [name for name, m in module.named_modules() if isinstance(m, LAYERS)]
    for pattern in skip:
        if not any(_matches(pattern, name, names) for name in names):
            near = get_close_matches(pattern, ["stem", "head", "downsample", *names], 1, 0)
            raise UserError(f"skip={pattern}: matches no layer; nearest name: {', '.join(near)}")


def _matches(pattern: str, name: str, names: list[str]) -> bool:
    """Say whether a word or pattern of `skip` means this layer among all layers' names."""
    words = {"stem": names[:1], "head": names[-1:], "downsample": [n for n in names if "downsample" in n.split(".")]}
    return name in words.get(pattern, []) or fnmatch(name, pattern) or name.startswith(f"{pattern}.")


COUNTS = {"match": count_parameters, "match_reduced": count_reduced_parameters}
"""What the converted network is to have as many of as the one before."""


def _divisor(module: nn.Module, plan: "_Plan", rescale_planes: float | str) -> float:
    if not isinstance(rescale_planes, str):
        if not rescale_planes > 0:
            raise UserError(f"rescale_planes={rescale_planes}: expected a positive number, match or match_reduced")
        return float(rescale_planes)
    if rescale_planes not in COUNTS:
        raise UserError(f"rescale_planes={rescale_planes!r}: expected a positive number, match or match_reduced")
    if not scalable(module):
        name = type(module).__name__
        raise UserError(f"rescale_planes={rescale_planes}: {name} has no common width; {WITH_WIDTH} have one")
    blueprint = deepcopy(module).to("meta")

    def parameters(divisor: float) -> int:
        net = deepcopy(blueprint)
        plan.fresh().apply(net, divisor)
        return COUNTS[rescale_planes](net)

    return width_matching(parameters, count_parameters(module))


@dataclass
class _Plan:
    """What is to be done to a network, and what was done."""

    layer_type: LayerType | None
    norm: str
    activation: str
    skip: tuple[str, ...]
    pool_function: bool = False
    swapped: list[Swap] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    new: list[nn.Module] = field(default_factory=list)
    new_layers: set[nn.Module] = field(default_factory=set)
    added: str | None = None

    def fresh(self) -> "_Plan":
        return _Plan(self.layer_type, self.norm, self.activation, self.skip, self.pool_function)

    def apply(self, net: nn.Module, divisor: float) -> None:
        """Do it, in place."""
        if divisor != 1:
            scale_width(net, divisor, f"rescale_planes={divisor:g}")
        if self.layer_type is not None:
            self._swap_layers(net, self.layer_type)
        if self.norm != "keep":
            self._swap_norms(net)
        if self.activation != "keep":
            self._swap_activations(net)
        if self.pool_function:
            self.added = add_pool_function(net, self.layer_type)
        turn_off_fast_path(net, self.new)
        if self.new_layers and (start := getattr(net, "init_converted", None)):
            start()

    def report(self, before: nn.Module, after: nn.Module, divisor: float) -> Report:
        counts = count_parameters(before), count_parameters(after), count_reduced_parameters(after)
        return Report(tuple(self.swapped), tuple(self.kept), *counts, divisor, self.added)

    def _alone(self, net: nn.Module, bonds: Bonds, name: str, module: nn.Module) -> bool:
        """Say whether a norm or an activation may go; note why not."""
        reason = bonds.reason(module) or reader_of(net, name, STATISTICS)
        if reason:
            self.kept.append(Kept(name, type(module).__name__, reason))
        return reason is None

    def _swap_layers(self, net: nn.Module, layer_type: LayerType) -> None:
        bonds = Bonds(net)
        names = [name for name, m in net.named_modules() if isinstance(m, LAYERS)]
        for name, module in list(net.named_modules()):
            reason = self._skipped(name, names) or (bonds.reason(module) if isinstance(module, LAYERS) else None)
            reason = reason or kept_reason(net, name, module, LAYERS)
            if type(module) in LAYERS:
                reason = reason or layer_type.unsuited(module)
            if reason:
                self.kept.append(Kept(name, type(module).__name__, reason))
            elif type(module) in LAYERS:
                new = layer_type.replace(module)
                self.new_layers.add(new)
                self._replace(net, module, name, new)

    def _skipped(self, name: str, names: list[str]) -> str | None:
        for pattern in self.skip:
            if name in names and _matches(pattern, name, names):
                return "linear head" if pattern == "head" else f"skip={pattern}"
        return None

    def _swap_norms(self, net: nn.Module) -> None:
        found, bonds = False, Bonds(net)
        for name, module in list(net.named_modules()):
            new = make_norm(self.norm, module)
            found = found or new is not None
            if isinstance(new, nn.Module) and self._alone(net, bonds, name, module):
                self._replace(net, module, name, new)
            elif isinstance(new, str):
                self.kept.append(Kept(name, type(module).__name__, new))
        if not found:
            self.kept.append(Kept("", type(net).__name__, f"norm={self.norm}: it has no norms to swap"))

    def _swap_activations(self, net: nn.Module) -> None:
        bonds = Bonds(net)
        for name, module in list(net.named_modules()):
            if uses_functional_activation(module):
                reason = f"activation={self.activation}: its forward calls an activation function, not a module"
                self.kept.append(Kept(name, type(module).__name__, reason))
            if type(module) not in ACTIVATIONS.values():
                continue
            if not self._among_swapped(net, name):
                self.kept.append(Kept(name, type(module).__name__, "not between converted layers"))
            elif self._alone(net, bonds, name, module):
                self._replace(net, module, name, make_activation(self.activation).to(next(net.parameters())))

    def _among_swapped(self, net: nn.Module, name: str) -> bool:
        """Say whether the nearest enclosing block with layers has a swapped one (all have in a standard network)."""
        while name:
            name = name.rpartition(".")[0]
            block = net.get_submodule(name)
            if is_gate(block):
                return False
            if any(isinstance(m, HighOrderLayer) or m in self.new_layers for m in block.modules()):
                return True
            if any(isinstance(m, LAYERS) for m in block.modules()):
                return self.layer_type is None
        return False

    def _replace(self, net: nn.Module, old: nn.Module, name: str, new: nn.Module) -> None:
        frozen = isinstance(old._parameters.get("weight"), nn.Parameter) and not old.weight.requires_grad  # type: ignore[union-attr]
        if frozen:
            new.requires_grad_(False)
        for key, value in given_attributes(old).items():
            if not hasattr(new, key):
                setattr(new, key, value)
        for parent in list(net.modules()):
            for child_name, child in list(parent._modules.items()):
                if child is old:
                    setattr(parent, child_name, new.train(old.training))
        self.new.append(new)
        self.swapped.append(Swap(name, type(old).__name__, type(new).__name__, frozen))
