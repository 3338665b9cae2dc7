"""From a checked config to the network, without its data: for training, and for using what was trained."""

from collections.abc import Mapping
from functools import partial
from inspect import signature
from typing import Any

import torch
from torch import nn

from ..basis import Basis
from ..basis.synapse import FIELDS, SIZES
from ..conversion.convert import convert
from ..conversion.counting import count_parameters, count_reduced_parameters
from ..conversion.report import Report
from ..conversion.rules import Rules
from ..conversion.widths import scale_width
from ..data.spec import ImageSpec, Spec
from ..errors import UserError
from ..layers import HighOrder, LayerType, Synapse
from ..layers.layer_type import refuse_options
from ..names import automatic_length
from ..settings import Config
from ..targets import resolve
from .blocks import BlockType
from .drop_path import set_drop_path
from .pretrained import RESCALES
from .transfer import Source
from .vision import image_classifier

KNOBS = {"dropout": "input_dropout", "noise": "input_noise"}
"""The fields of a synapse whose knobs have another name."""
TAKERS = {"vocabulary": "text", "inputs": "points"}
"""By a parameter of a builder, the data that it takes; all others take images."""


def network(config: Config, spec: Spec, source: Source | None = None) -> tuple[nn.Module, Report]:
    """Build the network of a resolved config for such data; the global random state decides the weights.

    With a source of weights it begins with those, or, under weights=keep, the ordinary network that it is made of.
    """
    net, report = _begun(config, spec, source)
    if config["drop_path"] is not None:
        set_drop_path(net, config["drop_path"])
    return net, report


def _begun(config: Config, spec: Spec, source: Source | None) -> tuple[nn.Module, Report]:
    replacement = layer_type(config)
    if "layer_type" in signature(_builder(config)).parameters:
        net, report = _built(config, spec, replacement)
    else:
        standard = _standard(config, spec)
        if source is not None and _is_ordinary(source, standard, config, replacement):
            source.load(standard)
            source = None
        net, report = _converted(config, standard, replacement)
    if source is not None:
        source.load(net)
    return net, report


def _is_ordinary(source: Source, standard: nn.Module, config: Config, replacement: LayerType | None) -> bool:
    """Say whether weights are for the ordinary network, to be converted with them; refuse them where that draws new."""
    misfits = source.misfits(standard)
    if config.get("weights") == "keep":
        return not misfits or len(misfits) <= len(source.misfits(_converted(config, standard, replacement)[0]))
    if replacement is not None and not misfits and not source.partial:
        advice = "add weights=keep, or take layer_type=standard"
        rule = f"of the ordinary network, and layer_type={config['choices']['layer_type']} begins anew; {advice}"
        raise UserError(f"{source.said}: {rule}")
    return False


def _converted(config: Config, standard: nn.Module, replacement: LayerType | None) -> tuple[nn.Module, Report]:
    """Convert the ordinary network, which stays as it is; UserError where nothing of it can be replaced."""
    rules = Rules(config["rules"], partial(layer_type, config))
    net, report = convert(
        standard,
        replacement,
        norm=config["norm"]["name"],
        activation=config["activation"],
        rescale_planes=config["rescale_planes"],
        skip=config["skip"],
        rules=rules,
        linear_output=config["linear_output"],
        pool_function=config["pool_function"],
        weights=config["weights"],
    )
    kinds = [replacement, *(own.get("layer_type", "standard") for own in config["rules"].values())]
    if any(kind not in (None, "standard") for kind in kinds) and not any(swap.layer for swap in report.swapped):
        raise UserError(
            f"layer_type={config['choices']['layer_type']}: fits no layer of this network. {report.refusals}"
        )
    return net, report


def _standard(config: Config, spec: Spec) -> nn.Module:
    """Build the ordinary network, with what its builder's parameters ask for."""
    build, node, width = _builder(config), _own(config), config["width"]
    if isinstance(spec, ImageSpec) and "vocabulary" in signature(build).parameters:
        raise _mismatch(build, spec, config)
    if "block" in signature(build).parameters:
        options = dict(config["block"])
        node["block"] = BlockType(options.pop("name"), options)
    if isinstance(spec, ImageSpec):
        sizes = {"channels": spec.channels, "classes": len(spec.classes), "image_size": spec.image_size}
        if config["pretrained"]:
            node |= {"transform_input": True} if build.__name__ in RESCALES else {}
        stem = "imagenet" if config["pretrained"] and config["stem"] == "auto" else config["stem"]
        called = config["choices"]["model_name"]
        return image_classifier(build, **sizes, stem=stem, width=width, options=node, called=called)
    net = build(**_offered(build, spec, config), **node)
    if width != 1:
        scale_width(net, 1 / width, f"width={width:g}")
    return net


def _built(config: Config, spec: Spec, replacement: LayerType | None) -> tuple[nn.Module, Report]:
    """Build a network that makes its layers of the layer type itself; beside it stands the standard one."""
    build, node = _builder(config), _own(config)
    given = _offered(build, spec, config) | {"norm": config["norm"]["name"], "activation": config["activation"]}
    net = build(layer_type=replacement, **given, **node)
    with torch.device("meta"):  # where nothing is drawn
        standard = build(layer_type=None, **given, **node)
    return net, Report((), (), count_parameters(standard), count_parameters(net), count_reduced_parameters(net))


def _builder(config: Config) -> Any:
    return resolve(config["model_name"]["_target_"], "model_name", nn.Module, builders=True)


def _own(config: Config) -> dict[str, Any]:
    """Give the model's own keys."""
    return {key: value for key, value in config["model_name"].items() if key != "_target_"}


def _offered(build: Any, spec: Spec, config: Config) -> dict[str, Any]:
    """Give what a builder asks for of the numbers that the data offer."""
    given = {key: value for key, value in spec.offers().items() if key in signature(build).parameters}
    if not given:
        raise _mismatch(build, spec, config)
    return given


def _mismatch(build: Any, spec: Spec, config: Config) -> UserError:
    takes = next((kind for key, kind in TAKERS.items() if key in signature(build).parameters), "images")
    names = f"model_name={config['choices']['model_name']}: takes {takes}"
    return UserError(f"{names}, and dataset={config['choices']['dataset']} is {spec.kind}; choose another model")


def layer_type(config: Config, rule: Mapping[str, Any] | None = None) -> LayerType | None:
    """Make the layer type of a config, or of options of its rules, by the names of knobs; None for the standard one."""
    own = dict(rule or {})
    name = own.pop("layer_type", None)
    node = dict(config["layer_type"] if name is None else config["layer_types"][name])
    target, neuron = node.pop("_target_"), node.pop("neuron", "sum")
    if target is None:
        return None
    name = name or config["choices"]["layer_type"]
    try:
        made = resolve(target, "layer_type", (Basis, LayerType))(**_sized(node, own, config["scale"]))
        if isinstance(made, LayerType):
            refuse_options(made, own)
            return made
        knobs: Config = config | own | {"align": _aligned(config, own)}
        options = {field: knobs[KNOBS.get(field, field)] for field in FIELDS}
        return HighOrder(Synapse(made, neuron=neuron, **options), knobs["rank"])
    except (TypeError, ValueError) as error:
        raise UserError(f"layer_type={name}: {error}") from error


def _sized(node: dict[str, Any], rule: Mapping[str, Any], scale: float | str) -> dict[str, Any]:
    """Give the arguments of a basis with the sizes of rules. Raises ValueError for a size that it does not take."""
    if strangers := [key for key in SIZES if key in rule and SIZES[key] not in node]:
        raise ValueError(f"has no {' and no '.join(strangers)}, which rules ask for")
    sized = node | {SIZES[key]: rule[key] for key in SIZES if key in rule}
    followed = scale == "auto" and node.get("length") in ("auto", _automatic(node))  # and not the file's own
    automatic = rule["scale"] == "auto" if "scale" in rule else followed
    return sized | {"length": _automatic(sized)} if automatic else sized


def _automatic(node: Mapping[str, Any]) -> float:
    return automatic_length(node.get("n"), node.get("segments"))


def _aligned(config: Config, rule: Mapping[str, Any]) -> str:
    """Give what aligns the functions: with scale=auto of rules the layer, unless they say more."""
    align = rule.get("align", config["align"])
    automatic = align == "auto" or (align == "none" and "align" not in rule and "scale" in rule)
    return str(align) if not automatic else "layer" if rule.get("scale", config["scale"]) == "auto" else "none"
