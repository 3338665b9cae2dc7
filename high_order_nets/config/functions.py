"""Which of the knobs `functions.` go with the layers and the optimizer."""

from .. import targets
from ..errors import UserError, show
from ..settings import Config, named_in, shares_functions

RATES = {"lr": 1, "frozen": 0, "until": 1}
"""The knobs of their rate, each with its value where it is the others'."""


def check_functions(config: Config, functions: Config) -> None:
    """Refuse what the functions of these layers, or the optimizer, cannot have."""
    if not targets.is_basis(config["layer_type"]["_target_"]):
        return
    if config["rank"] and config["sharing"] == "synapse":
        rule = "a function for every connection has all ranks already; take sharing=channel"
        raise UserError(f"rank={config['rank']}: {rule}")
    _check_rates(config, functions)
    if functions["smoothness"] and not shares_functions(config):
        advice = "is of functions that connections share; take sharing=channel"
        raise UserError(f"functions.smoothness={functions['smoothness']}: {advice}")
    if functions["decay_by_degree"] is not None and (reason := _without_degrees(config)):
        raise UserError(f"functions.decay_by_degree={show(functions['decay_by_degree'])}: {reason}")


def _check_rates(config: Config, functions: Config) -> None:
    """Refuse rates of their own where there can be none, and an end before the start."""
    changed = [f"functions.{key}={functions[key]}" for key, same in RATES.items() if functions[key] != same]
    if changed and _lbfgs(config):
        raise UserError(f"{changed[0]}: optimizer=lbfgs has one rate for all; take another")
    phases = [said for said in changed if not said.startswith("functions.lr=")]
    if phases and config["scheduler"]["name"] == "plateau":
        raise UserError(f"{phases[0]}: scheduler=plateau is laid out over no number of steps; take another")
    if functions["until"] <= functions["frozen"]:
        raise UserError(f"functions.until={functions['until']}: must come after functions.frozen={functions['frozen']}")


def _without_degrees(config: Config) -> str | None:
    """Say why no coefficient can be decayed by its degree; None where it can."""
    layer = config["layer_type"]
    if not str(layer["_target_"]).endswith((".Polynomial", ".Fourier")) or layer.get("neuron") == "product":
        name = f"layer_type={config['choices']['layer_type']}"
        return f"{name} has no coefficients by degree; take polynomial or fourier"
    if "synapse" not in named_in(config, "sharing") or "spectral" not in named_in(config, "parameters"):
        return "is of coefficients of a function a connection; take sharing=synapse parameters=spectral"
    return "optimizer=lbfgs knows no decay; take another" if _lbfgs(config) else None


def _lbfgs(config: Config) -> bool:
    return str(config["optimizer"]["_target_"]).endswith(".LBFGS")
