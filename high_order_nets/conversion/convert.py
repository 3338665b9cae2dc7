"""convert: any nn.Module → its high-order variant, with a report."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

from torch import nn

from ..errors import UserError
from ..layers import HighOrder, LayerType, LowRank, Synapse
from ..layers.layer_type import LAYERS
from ..names import WEIGHTS, beside_kept, layer_name
from .counting import count_parameters, count_reduced_parameters
from .patterns import check_pattern, layer_names, matches
from .plan import Plan, skipped
from .pooling import check_pooling
from .report import Report
from .rules import Rules, typed
from .swaps import check_names
from .widths import WITH_WIDTH, scalable, width_matching


def convert(
    module: nn.Module,
    layer_type: str | Synapse | LayerType | None = "polynomial2d",
    *,
    norm: str = "keep",
    activation: str = "auto",
    rescale_planes: float | str = 1,
    skip: str | Sequence[str] = (),
    rules: Mapping[str, Mapping[str, Any]] | Rules | None = None,
    linear_output: bool = True,
    pool_function: bool = False,
    weights: str = "draw",
    **options: Any,
) -> tuple[nn.Module, Report]:
    """Give the high-order variant of a network and a report; the module itself is left untouched.

    - layer_type: a name (`polynomial2d`, `continuous`, … or `standard`, which swaps no layer), with the options
      n, segments, scale, rank and the fields of Synapse (domain, sharing, base, parameters, init, …); a Synapse; or
      another LayerType.
    - norm: keep, none, batch, layer, group, instance, max_abs, max_center, l2.
    - activation: none, keep or a name; auto is none where the new layers bend by themselves, else keep. Gates stay.
    - rescale_planes: divide the widths by this (ResNets, simple, mlp, autoencoders, a transformer's feed-forwards);
      `match`: until the parameter count equals the module's; `match_reduced`: the same, the constants of a neuron
      counted once.
    - skip: `stem`, `head`, `downsample` or patterns of module names that are left as they are.
    - rules: options of their own for the layers that a word or pattern means, `{"layer1.*": {"sharing": "synapse"}}`,
      and another layer_type; of one option the last rule that names it counts.
    - linear_output: keep the classifier head linear.
    - pool_function: put a function a channel between a ResNet's last block and its mean over the image.
    - weights: `draw`, or `keep`: each new layer begins as the one that it replaces, see below.

    Layers are swapped by exact type, and their weights are new; a network with a method `init_converted()` is asked to
    bring them to the size of its own start. What others share, hook, hold or read is left, and the
    report says why. Raises UserError for a name that is not known or widths that cannot be changed.

    With weights="keep" a layer begins with f(x) = w x for each weight w, its bias stays, and norms keep weights and
    statistics. That is exact to rounding, and the output of the whole network with it, under domain linear, extrapolate
    or slopes in spaces that contain x (polynomial, continuous, discontinuous with n ≥ 2, crelu), whatever sharing,
    rank, base, rescale_output and align; with parameters="spectral" and padding, where the function x has no constant
    (all polynomials). Under activation="auto" an activation goes where functions behind it are exactly that activation
    (a ReLU: n ≥ 2 with a knot at 0, or base="relu"), w relu(x) then, and all of its outputs get to such functions;
    others stay. Under `none` all go, and functions come as near as they can. All else (tanh, Fourier, products, …)
    begins with the functions next to x by least squares. `report.likeness` says how far each layer is off,
    `report.lost` which activations are missing, and `report.equal` that there is nothing of either.
    Raises UserError for options that would change what is kept.
    """
    if not module._modules:  # a bare layer, which is no head, or a bare norm: it takes a parent to be replaced in
        choices = {"norm": norm, "activation": activation, "rescale_planes": rescale_planes, "skip": skip}
        choices |= {"pool_function": pool_function, "weights": weights}
        parent = nn.Sequential(module)
        net, report = convert(parent, layer_type, linear_output=False, rules=rules, **choices, **options)
        return net.get_submodule("0"), report
    check_names(norm, activation)
    if weights not in WEIGHTS:
        raise UserError(f"weights={weights!r}: expected one of {', '.join(WEIGHTS)}")
    chosen = rules if isinstance(rules, Rules) else typed(convert, layer_type, options, rules or {})
    left = _left(skip, linear_output, layer_names(module))
    plan = _planned(module, chosen, norm, activation, left)
    for kind in (layer_type, *(rule.get("layer_type") for rule in chosen.patterns.values())):
        _check_dimensions(module, kind)
    if pool_function:
        check_pooling(module, plan.main)
        plan = replace(plan, pool_function=True)
    if weights == "keep" and not plan.standard:
        _check_kept(plan, rescale_planes)
        plan = replace(plan, keep=True)
    divisor = _divisor(module, plan, rescale_planes)
    net = deepcopy(module)
    plan.apply(net, divisor)
    _check_ranks(net)
    return net, plan.report(module, net, divisor)


def _left(skip: str | Sequence[str], linear_output: bool, names: Sequence[str]) -> tuple[str, ...]:
    """Give the words and patterns of what is left as it is."""
    patterns = (skip,) if isinstance(skip, str) else tuple(skip)
    for pattern in patterns:
        check_pattern(f"skip={pattern}", pattern, names)
    return patterns + (("head",) if linear_output else ())


def _planned(module: nn.Module, rules: Rules, norm: str, activation: str, left: tuple[str, ...]) -> "Plan":
    """Choose the layer type of each layer, and what auto is for activations."""
    names = layer_names(module)
    main, types = rules.main, rules.types(names)
    _check_use(rules, left, names)
    auto = activation == "auto"
    if auto:
        bends = any(each.bends for each in (main, *types.values()) if each is not None)
        activation = "none" if bends else "keep"
    return Plan(main, types, norm, activation, auto, left)


def _check_dimensions(module: nn.Module, layer_type: str | Synapse | LayerType | None) -> None:
    """Refuse polynomial1d for a network whose convolutions have two dimensions."""
    name = layer_name(layer_type if isinstance(layer_type, str) else "")
    convolutions = [m for m in module.modules() if isinstance(m, LAYERS) and not isinstance(m, nn.Linear)]
    there = {f"{len(m.kernel_size)}d" for m in convolutions}  # type: ignore[arg-type]
    if name.dimensions and there and name.dimensions not in there:
        others = ", ".join(f"{name.family}{dimensions}" for dimensions in sorted(there))
        raise UserError(f"layer_type={layer_type}: fits none of this network's convolutions; nearest name: {others}")


def _check_use(rules: Rules, left: tuple[str, ...], names: Sequence[str]) -> None:
    """Refuse a rule whose layers all stay as they are."""
    for pattern in rules.patterns:
        reasons = {skipped(left, name, names) for name in names if matches(pattern, name, names)}
        if None not in reasons:
            raise UserError(
                f"rules={pattern}: its layers are left as they are ({', '.join(sorted(map(str, reasons)))})"
            )


def _check_ranks(net: nn.Module) -> None:
    """Refuse as many second functions as a layer has outputs, now that its width is known."""
    for name, layer in net.named_modules():
        if isinstance(layer, LowRank) and layer.rank >= layer.outputs:
            advice = f"rules={{{name}:{{rank:0}}}} leaves it out"
            raise UserError(f"rank={layer.rank}: {name} has {layer.outputs} outputs; take less, or {advice}")


COUNTS = {"match": count_parameters, "match_reduced": count_reduced_parameters}
"""What the converted network is to have as many of as the one before."""


def _check_kept(plan: Plan, rescale_planes: float | str) -> None:
    """Refuse what does not go with weights that are kept."""
    options = {"norm": plan.norm, "activation": plan.activation, "rescale_planes": rescale_planes}
    for kind in (plan.main, *plan.types.values()):
        if kind is not None and not isinstance(kind, HighOrder):
            raise UserError(f"weights=keep: {type(kind).__name__} has no functions that could begin as lines")
        own = {} if kind is None else {"init": kind.synapse.init, "align": kind.synapse.align}
        if reason := beside_kept(options | own):
            raise UserError(reason)


def _divisor(module: nn.Module, plan: "Plan", rescale_planes: float | str) -> float:
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
