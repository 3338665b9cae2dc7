"""refine: a network with richer functions on its connections and the same output; coarsen: with poorer ones."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..basis import Basis
from ..basis.change import error_points, largest_error
from ..errors import UserError
from ..layers import HighOrderLayer, Synapse, make_synapse
from ..layers.change import TOLERANCE, change_between, change_layer
from .report import Errors

RULE = (
    "the new functions must contain the old ones: n' >= n, segments' a multiple of segments, the same length, "
    "polynomial to piecewise, continuous to discontinuous; coarsen approximates"
)


@dataclass(frozen=True)
class Target:
    """What the functions of a network are to become; None stays as it is.

    - n, segments: nodes or Fourier terms, and segments.
    - layer_type: another family, such as `discontinuous` for `continuous`.
    - sharing: `synapse` gives every connection a function of its own; `channel`, `deviation` or a multiple of the
      groups that there are splits them.
    - parameters: `nodal` or `spectral`.
    """

    n: int | None = None
    segments: int | None = None
    layer_type: str | None = None
    sharing: str | int | None = None
    parameters: str | None = None

    def of(self, old: Synapse) -> Synapse:
        """Give the synapse that the old one is to become. Raises ValueError for what there is not."""
        choices = {"sharing": self.sharing, "parameters": self.parameters}
        new = replace(old, basis=self._basis(old), **{k: v for k, v in choices.items() if v is not None})
        if new.neuron == "product" and new.parameters == "spectral":
            raise ValueError("parameters=spectral: product neurons are nodal, each of their constants counts")
        return new

    def _basis(self, old: Synapse) -> Basis:
        cls = self._family(old)
        known = {field.name for field in fields(cls)}  # type: ignore[arg-type]
        sizes = {key: value for key in ("n", "segments") if (value := getattr(self, key)) is not None}
        if strangers := sizes.keys() - known:
            raise ValueError(f"{', '.join(sorted(strangers))}: {cls.__name__} has none")
        kept = {key: getattr(old.basis, key) for key in known if hasattr(old.basis, key)}
        if "n" in known - kept.keys() - sizes.keys():
            raise ValueError(f"layer_type={self.layer_type}: needs n, which {old.basis} does not have")
        return cls(**(kept | sizes))

    def _family(self, old: Synapse) -> type[Basis]:
        if self.layer_type is None:
            return type(old.basis)
        wanted = make_synapse(self.layer_type)
        if wanted.neuron == "product" != old.neuron:
            raise ValueError(f"layer_type={self.layer_type}: neurons that add cannot become ones that multiply")
        return type(wanted.basis)


def refine(
    module: nn.Module,
    *,
    n: int | None = None,
    segments: int | None = None,
    layer_type: str | None = None,
    sharing: str | int | None = None,
    parameters: str | None = None,
) -> nn.Module:
    """Give a copy of the network whose high-order layers have other function spaces, and the same output.

    The keywords are those of Target. Device, dtype, mode and requires_grad stay, bias and base branch too. New weights
    are computed in float64 and rounded once. Raises UserError for a change that cannot be exact.
    """
    module = deepcopy(module)
    refine_(module, Target(n, segments, layer_type, sharing, parameters))
    return module


def coarsen(
    module: nn.Module,
    *,
    n: int | None = None,
    segments: int | None = None,
    layer_type: str | None = None,
    sharing: str | int | None = None,
    parameters: str | None = None,
) -> tuple[nn.Module, "Coarsening"]:
    """Give a copy whose functions meet the old ones at the new nodes, and a report of the errors that this made.

    At a jump they meet the mean of its two sides, so that a continuous function is off by half of the jump, the least
    there is; between Chebyshev-Lobatto nodes interpolation is off by at most 1 + Λ times the least possible error,
    with the Lebesgue constant Λ = 1.25, 1.67, 2.2 of n = 3, 4, 8. A Fourier series gets the least-squares fit.
    An error is the largest difference of a function at 25 or more points of every smooth piece, its ends included, so
    that both sides of a jump count: the largest on the interval or, of polynomials, at most 1 % less.
    The keywords are those of Target. Where a convolution pads, `parameters="spectral"` lets the border count
    constants that padded taps do not have. Raises UserError for what cannot even be approximated.
    """
    copy = deepcopy(module)
    refine_(copy, Target(n, segments, layer_type, sharing, parameters), exactly=False)
    pairs = zip(_layers(module).items(), _layers(copy).values(), strict=True)
    return copy, Coarsening(tuple(_approximation(name, old, new) for (name, old), new in pairs))


def refine_(module: nn.Module, target: Target, *, exactly: bool = True) -> dict[nn.Parameter, nn.Parameter]:
    """Do as `refine` or, unless exactly, `coarsen`, in place; return old parameters → new ones.

    Parameters that stay as they are stay the same objects. Where UserError is raised nothing has been done.
    """
    if target == Target():
        raise UserError("refine: expected n, segments, layer_type, sharing or parameters")
    layers = _layers(module)
    if not layers:
        raise UserError(f"refine: {type(module).__name__} has no high-order layer")
    try:
        synapses = {name: layer.suited(target.of(layer.synapse)) for name, layer in layers.items()}
    except ValueError as error:
        raise UserError(f"refine: {error}") from error
    return _change(layers, synapses, exactly)


def interpolate_high_order_mlp(network_in: nn.Module, network_out: nn.Module) -> nn.Module:
    """Copy the functions of network_in into network_out, in place, by interpolation at its nodes; return network_out.

    The two have the same depth and widths; network_out usually has more nodes (p-refinement): then the output stays
    the same. Norms and other layers are copied too. Raises UserError where the networks differ in more than that.
    """
    return _copy_functions(network_in, network_out, exactly=False)


def hp_refine_high_order_mlp(network_in: nn.Module, network_out: nn.Module) -> nn.Module:
    """Copy the functions of network_in into network_out, in place; return network_out.

    As `interpolate_high_order_mlp`, but nodes and segments of network_out must allow it exactly: else UserError.
    """
    return _copy_functions(network_in, network_out, exactly=True)


def _copy_functions(network_in: nn.Module, network_out: nn.Module, exactly: bool) -> nn.Module:
    copy = deepcopy(network_in)
    layers, wanted = _layers(copy), _layers(network_out)
    if layers.keys() != wanted.keys():
        raise UserError(f"{len(layers)} high-order layers to copy into {len(wanted)}: expected networks of one depth")
    for name, layer in layers.items():
        if _around(layer.synapse) != _around(wanted[name].synapse):
            raise UserError(f"{name}: {wanted[name].synapse} is to have the domain and options of {layer.synapse}")
    _change(layers, {name: layer.synapse for name, layer in wanted.items()}, exactly)
    try:
        network_out.load_state_dict(copy.state_dict())
    except RuntimeError as error:
        raise UserError(f"the networks differ in more than their functions: {error}") from error
    return network_out


def _around(synapse: Synapse) -> tuple[Any, ...]:
    """What a synapse does beside its functions, as far as the output shows it."""
    neuron = synapse.neuron, synapse.alpha, synapse.rescale_output, synapse.base
    return synapse.basis.length, synapse.domain, synapse.periodicity, *neuron


@torch.no_grad()
def _change(
    layers: dict[str, HighOrderLayer], synapses: dict[str, Synapse], exactly: bool
) -> dict[nn.Parameter, nn.Parameter]:
    _check_ties(layers)
    for name, layer in layers.items():
        _check(name or type(layer).__name__, layer, synapses[name], exactly)
    replaced: dict[nn.Parameter, nn.Parameter] = {}
    for name, layer in layers.items():
        replaced |= change_layer(layer, synapses[name])
    return replaced


def _layers(module: nn.Module) -> dict[str, HighOrderLayer]:
    return {name: m for name, m in module.named_modules() if isinstance(m, HighOrderLayer)}


def _check_ties(layers: dict[str, HighOrderLayer]) -> None:
    owners: dict[nn.Parameter, str] = {}
    for name, layer in layers.items():
        for parameter in layer._parameters.values():
            if parameter is not None and (other := owners.setdefault(parameter, name)) != name:
                raise UserError(f"refine: {other} and {name} share a parameter; use one layer in both places")


def _check(name: str, layer: HighOrderLayer, new: Synapse, exactly: bool) -> None:
    """Refuse a change that cannot be made or, where asked for, not exactly."""
    _check_sharing(name, layer, new)
    if not exactly:
        return
    if largest_error(layer.synapse.basis, new.basis) > TOLERANCE:
        raise UserError(f"{name}: {layer.synapse.basis} to {new.basis} is not exact: {RULE}")
    if not layer.constants_add_up and change_between(layer.synapse, new).constants is not None:
        raise UserError(
            f"{name}: parameters={new.parameters} is not exact: the functions' constants do not reach all outputs "
            "alike (padding, strides, products), which a bias cannot say; take parameters=nodal, or coarsen"
        )


def _check_sharing(name: str, layer: HighOrderLayer, new: Synapse) -> None:
    old = layer.synapse
    if not new.shared or new.sharing == old.sharing:
        return
    if layer.shape is None:
        raise UserError(f"{name}: sharing={new.sharing}: connections with functions of their own cannot share one")
    there, asked = layer.shape.shape[1], new.function_count(layer.inputs.channels)
    if asked % there or layer.inputs.channels % asked:
        rule = f"a multiple of its {there} functions that divides its {layer.inputs.channels} channels"
        raise UserError(f"{name}: sharing={new.sharing}: expected {rule}")


@dataclass(frozen=True)
class Approximation:
    """Say what coarsening did to a layer: the largest error of its functions on the interval, jumps' sides included.

    `relative` is to the largest value of a function. nan on the meta device.
    """

    name: str
    old: Synapse
    new: Synapse
    error: float
    relative: float

    def __str__(self) -> str:
        return (
            f"{self.name or 'layer'}: {self.old.basis} → {self.new.basis}: error {self.error:.3g} ({self.relative:.2%})"
        )


class Coarsening(Errors[Approximation]):
    """Hold the errors of all layers."""


@torch.no_grad()
def _approximation(name: str, old: HighOrderLayer, new: HighOrderLayer) -> Approximation:
    if old.weight.is_meta:
        return Approximation(name, old.synapse, new.synapse, float("nan"), float("nan"))
    change = change_between(old.synapse, new.synapse)
    at = error_points(old.synapse.basis, new.synapse.basis)
    before = _stored_functions(old.synapse, *at)
    after = _stored_functions(new.synapse, *at) @ change.matrix
    if change.constants is not None:
        after = after + change.constants
    error, largest = _largest(before - after, old), _largest(before, old)
    return Approximation(name, old.synapse, new.synapse, error, error / largest if largest else 0.0)


def _stored_functions(synapse: Synapse, x: Tensor, places: Tensor) -> Tensor:
    """What each stored weight multiplies, at x (P,) by the pieces of the places: (P, M or G), float64."""
    if synapse.parameters == "nodal":
        values = synapse.basis.functions_within(x, places).T
    else:
        values = torch.stack([torch.zeros_like(x), *synapse.basis.terms_within(x, places)], 1)[:, 1:]
    return F.pad(values, (0, synapse.ends))  # slopes beyond the ends are seen nowhere on the interval


def _largest(values: Tensor, layer: HighOrderLayer) -> float:
    """Give the largest |values w|, values (P, stored), over the weights w of all functions of the layer."""
    if (functions := layer.own_parameters().functions) is not None:
        return float((values @ functions.double().cpu()).abs().max())
    # One slice at a time: the values at all points are many times the weights.
    pieces: Iterator[Tensor] = (values @ piece.double().cpu().flatten(1) for piece in layer.weight)
    return max(float(piece.abs().max()) for piece in pieces)
