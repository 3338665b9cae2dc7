"""From a checked config to the network, without its data: for training, and for using what was trained."""

from torch import nn

from ..basis import Basis
from ..basis.synapse import FIELDS
from ..conversion.convert import convert
from ..conversion.report import Report
from ..errors import UserError
from ..layers import HighOrder, LayerType, Synapse
from ..settings import Config
from ..targets import resolve
from .vision import image_classifier

KNOBS = {"dropout": "input_dropout", "noise": "input_noise"}
"""The fields of a synapse whose knobs have another name."""


def network(config: Config, *, channels: int, classes: int, image_size: int) -> tuple[nn.Module, Report]:
    """Build the network of a resolved config for such images; the global random state decides the weights."""
    standard = image_classifier(
        resolve(config["model_name"]["_target_"], "model_name", nn.Module, builders=True),
        channels=channels,
        classes=classes,
        image_size=image_size,
        stem=config["stem"],
        width=config["width"],
        options={key: value for key, value in config["model_name"].items() if key != "_target_"},
    )
    replacement = layer_type(config)
    net, report = convert(
        standard,
        replacement,
        norm=config["norm"]["name"],
        activation=config["activation"],
        rescale_planes=config["rescale_planes"],
        skip=config["skip"],
        linear_output=config["linear_output"],
    )
    if replacement is not None and not any(swap.fresh for swap in report.swapped):
        raise UserError(
            f"layer_type={config['choices']['layer_type']}: fits no layer of this network. {report.refusals}"
        )
    return net, report


def layer_type(config: Config) -> LayerType | None:
    """Make the layer type of a config; None for the standard network."""
    node = dict(config["layer_type"])
    target, neuron = node.pop("_target_"), node.pop("neuron", "sum")
    if target is None:
        return None
    try:
        made = resolve(target, "layer_type", (Basis, LayerType))(**node)
        if isinstance(made, LayerType):
            return made
        options = {name: config[KNOBS.get(name, name)] for name in FIELDS}
        return HighOrder(Synapse(made, neuron=neuron, **options))
    except (TypeError, ValueError) as error:
        raise UserError(f"layer_type={config['choices']['layer_type']}: {error}") from error
