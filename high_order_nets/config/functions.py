"""Which of the knobs `functions.` go with the layers and the optimizer."""

from .. import targets
from ..errors import UserError, show
from ..settings import Config


def check_functions(config: Config, functions: Config) -> None:
    """Refuse what the functions of these layers, or the optimizer, cannot have."""
    if not targets.is_basis(config["layer_type"]["_target_"]):
        return
    if functions["lr"] != 1 and _lbfgs(config):
        raise UserError(f"functions.lr={functions['lr']}: optimizer=lbfgs has one rate for all; take another")
    if functions["smoothness"] and config["sharing"] == "synapse":
        advice = "is of functions that connections share; take sharing=channel"
        raise UserError(f"functions.smoothness={functions['smoothness']}: {advice}")
    if functions["decay_by_degree"] is not None and (reason := _without_degrees(config)):
        raise UserError(f"functions.decay_by_degree={show(functions['decay_by_degree'])}: {reason}")


def _without_degrees(config: Config) -> str | None:
    """Say why no coefficient can be decayed by its degree; None where it can."""
    layer = config["layer_type"]
    if not str(layer["_target_"]).endswith((".Polynomial", ".Fourier")) or layer.get("neuron") == "product":
        name = f"layer_type={config['choices']['layer_type']}"
        return f"{name} has no coefficients by degree; take polynomial or fourier"
    if config["sharing"] != "synapse" or config["parameters"] != "spectral":
        return "is of coefficients of a function a connection; take sharing=synapse parameters=spectral"
    return "optimizer=lbfgs knows no decay; take another" if _lbfgs(config) else None


def _lbfgs(config: Config) -> bool:
    return str(config["optimizer"]["_target_"]).endswith(".LBFGS")
