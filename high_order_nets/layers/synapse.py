"""What stands on each connection: a basis, and what is done to the input before it."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from ..basis import Basis


def mirror(x: Tensor, period: float) -> Tensor:
    """Fold x into [-period/2, period/2] by a triangle wave of slope ±1."""
    u = torch.remainder(x + period / 2, 2 * period)
    return torch.where(u > period, 2 * period - u, u) - period / 2


DOMAINS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "extrapolate": lambda x, _length: x,
    "linear": lambda x, length: x.clamp(-length / 2, length / 2),
    "clamp": lambda x, length: x.clamp(-length / 2, length / 2),
    "tanh": lambda x, length: torch.tanh(x * (2 / length)) * (length / 2),
    "mirror": mirror,
}
"""How an input beyond the interval is brought to a point of it, given the interval's length."""


@dataclass(frozen=True)
class Synapse:
    """f(domain(mirror(x))): the function space of a layer's connections.

    domain says what happens beyond the interval: `extrapolate` (the end polynomials continue), `linear` (their
    tangents continue), `clamp`, `tanh` (x ← (ℓ/2) tanh(2x/ℓ), which also bends the inside) or `mirror`.
    periodicity folds the input into [-p/2, p/2] first. rescale_output divides a neuron by its number of inputs.
    parameters: `nodal` weights (values at the nodes, or Fourier coefficients), or `spectral`: the coefficients
    of the reduced form without the constant, and one bias a neuron instead.
    """

    basis: Basis
    domain: str = "extrapolate"
    periodicity: float | None = None
    rescale_output: bool = False
    init: str = "linear"
    parameters: str = "nodal"

    def __post_init__(self) -> None:
        if self.domain not in DOMAINS:
            raise ValueError(f"domain={self.domain!r}: expected one of {', '.join(DOMAINS)}")
        if self.periodicity is not None and not self.periodicity > 0:
            raise ValueError(f"periodicity={self.periodicity}: expected a positive number or None")
        if self.parameters not in ("nodal", "spectral"):
            raise ValueError(f"parameters={self.parameters!r}: expected nodal or spectral")

    @property
    def weights(self) -> int:
        """M weights a connection, or G of them when they are spectral."""
        return self.basis.weights if self.parameters == "nodal" else self.basis.groups

    @property
    def needs_bias(self) -> bool:
        """Say whether a neuron needs a bias because its synapses have no constants but its functions should."""
        return self.parameters == "spectral" and self.basis.has_constant

    def terms(self, x: Tensor) -> list[Tensor]:
        """Evaluate φ_1 … φ_G behind the domain, each of x's shape and dtype.

        Half-precision inputs are evaluated in float32: recurrences lose bits that the contraction then cannot miss.
        """
        wide = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
        if self.periodicity is not None:
            wide = mirror(wide, self.periodicity)
        values = self.basis.terms(DOMAINS[self.domain](wide, self.basis.length))
        if self.domain == "linear":
            values = self._continue_tangents(wide, values)
        return [value.to(x.dtype) for value in values]

    def _continue_tangents(self, x: Tensor, values: list[Tensor]) -> list[Tensor]:
        half = self.basis.length / 2
        below, above = torch.relu(-half - x), torch.relu(x - half)
        slopes = self.basis.end_slopes().tolist()
        return [value - left * below + right * above for value, (left, right) in zip(values, slopes, strict=True)]

    def functions(self, x: Tensor) -> Tensor:
        """Evaluate b_1 … b_M behind the domain: (M, *x.shape)."""
        reduced = torch.stack([torch.ones_like(x), *self.terms(x)])
        return torch.einsum("gm,g...->m...", self.basis.transform().to(x), reduced)

    def expand(self, x: Tensor, dim: int) -> Tensor:
        """Stack φ_1 … φ_G along a new axis `dim`: x (…) → (…, G, …); one group of zeros where G = 0."""
        nothing = torch.where(x.isnan(), x, 0) if self.basis.groups == 0 else x  # so that NaN stays NaN
        return torch.stack(self.terms(x) or [nothing], dim)


def make_synapse(layer_type: str, **options: Any) -> Synapse:
    """Build a synapse from a layer type's name (`polynomial`, `polynomial2d`, …).

    The options are n, segments and scale of the basis, as far as it has them, and the fields of Synapse.
    Raises ValueError for an unknown name and TypeError for an unknown option.
    """
    family = layer_type[:-2] if layer_type[-2:] in ("1d", "2d", "3d") else layer_type
    if family not in Basis.registry:
        raise ValueError(f"layer_type={layer_type!r}: expected one of {', '.join(Basis.registry)}")
    cls = Basis.registry[family]
    basis_options = {
        "n": options.pop("n", 3),
        "segments": options.pop("segments", 1),
        "length": options.pop("scale", 2.0),
    }
    known = {field.name for field in fields(cls)}  # type: ignore[arg-type]
    return replace(Synapse(cls(**{key: value for key, value in basis_options.items() if key in known})), **options)
