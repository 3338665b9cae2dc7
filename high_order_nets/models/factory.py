"""From a checked config to the network, without its data: for training, and for using what was trained."""

from torch import nn

from ..conversion.convert import convert
from ..conversion.report import Report
from ..errors import UserError
from ..layers import HighOrderLayer, Synapse
from ..settings import Config
from ..targets import resolve
from .vision import image_classifier


def network(config: Config, *, channels: int, classes: int, image_size: int) -> tuple[nn.Module, Report]:
    """Build the network of a resolved config for such images; the global random state decides the weights."""
    standard = image_classifier(
        resolve(config["model_name"]["_target_"], "model_name"),
        channels=channels,
        classes=classes,
        image_size=image_size,
        stem=config["stem"],
        width=config["width"],
        options={key: value for key, value in config["model_name"].items() if key != "_target_"},
    )
    functions = synapse(config)
    net, report = convert(
        standard,
        functions,
        norm=config["norm"]["name"],
        activation=config["activation"],
        rescale_planes=config["rescale_planes"],
        skip=config["skip"],
        linear_output=config["linear_output"],
    )
    if functions is not None and not any(isinstance(module, HighOrderLayer) for module in net.modules()):
        raise UserError(
            f"layer_type={config['choices']['layer_type']}: fits no layer of this network. {report.refusals}"
        )
    return net, report


def synapse(config: Config) -> Synapse | None:
    """Build the synapse of a config; None for the standard network."""
    node = dict(config["layer_type"])
    target, neuron = node.pop("_target_"), node.pop("neuron", "sum")
    if target is None:
        return None
    try:
        basis = resolve(target, "layer_type")(**node)
        names = ("domain", "periodicity", "rescale_output", "init", "parameters", "sharing", "base", "alpha")
        options = {name: config[name] for name in names}
        options |= {"neuron": neuron, "dropout": config["input_dropout"], "noise": config["input_noise"]}
        return Synapse(basis, **options)
    except (TypeError, ValueError) as error:
        raise UserError(f"layer_type={config['choices']['layer_type']}: {error}") from error
