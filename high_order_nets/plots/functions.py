"""The functions that a layer has learned, as numbers to look at."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..basis import DiscontinuousPiecewise
from ..basis.synapse import BASES
from ..layers import HighOrderLayer, Synapse


@dataclass(frozen=True)
class Functions:
    """f_c(x) = a_{c,0} + Σ_g a_{c,g} φ_g(x) + b_c β(x) of some of a layer's connections c.

    `coefficients` are a, float64 (C, 1 + G), and `base` is b, (C,), or None. `synapse` has the φ_g and the activation
    β; it is None for an ordinary layer, whose one term is x. `total` counts all connections.
    """

    coefficients: Tensor
    base: Tensor | None
    synapse: Synapse | None
    total: int

    def __call__(self, x: Tensor) -> Tensor:
        """Evaluate at x, float64 (X,), behind the domain: (C, X); NaN where x is."""
        terms = [x] if self.synapse is None else self.synapse.terms(x)
        one = torch.where(x.isnan(), x, 1.0)
        return self.coefficients @ torch.stack([one, *terms]) + self._based(x)

    def _based(self, x: Tensor) -> Tensor:
        """Give b_c β(x), (C, X)."""
        if self.base is None or self.synapse is None or self.synapse.base is None:
            return x.new_zeros(len(self.coefficients), len(x))
        return self.base[:, None] * BASES[self.synapse.base](x)

    def nodes(self) -> tuple[Tensor, Tensor] | None:
        """Give the nodes as inputs x (M,) and the functions' values there (C, M); None for a basis without nodes.

        Under domain=tanh the ends of the interval are reached by no finite input: theirs are ∓inf.
        """
        points = None if self.synapse is None else self.synapse.basis.nodes()
        if self.synapse is None or points is None:
            return None
        x = to_inputs(self.synapse, points)
        # Through T rather than by evaluation: at a knot of a discontinuous function there are two values.
        inside = self.coefficients[:, : 1 + self.synapse.basis.groups]
        values = torch.linalg.solve(self.synapse.basis.transform(), inside.T).T
        reached = x.abs() <= (self.synapse.periodicity or torch.inf) / 2
        if self.base is not None:
            reached &= x.isfinite()  # an activation has no limit there
        return x[reached], values[:, reached] + self._based(x[reached])

    @property
    def only_shape(self) -> bool:
        """Say whether the functions are known up to a constant: the neuron's bias has the sum of all constants."""
        return self.synapse is not None and self.synapse.needs_bias

    def offset(self) -> Tensor:
        """Give what to subtract from the functions to compare them, (C, 1): f(0) where only their shape is known."""
        return self(torch.zeros(1, dtype=torch.float64)) * self.only_shape

    def jumps(self) -> Tensor:
        """Give the inputs at which the functions may jump, float64 (J,)."""
        if self.synapse is None or not isinstance(self.synapse.basis, DiscontinuousPiecewise):
            return torch.zeros(0, dtype=torch.float64)
        return to_inputs(self.synapse, self.synapse.basis.breaks[1:-1])


@torch.no_grad()
def learned_functions(layer: nn.Module, how_many: int) -> Functions:
    """Take the functions of up to `how_many` connections of a high-order or ordinary layer, drawn at random.

    The draw is always the same. A new kind of layer is one more case here.
    """
    constants = base = synapse = None
    if isinstance(layer, HighOrderLayer):
        synapse = layer.synapse
        constants, a = layer.coefficients()
        a = a[:, : synapse.groups].flatten(2)
        base = None if layer.base_weight is None else layer.rescaled(layer.base_weight)
    else:
        a = layer.weight[:, None].flatten(2)  # type: ignore[index]
    total = len(a) * a.shape[2]
    chosen = _drawn(total, how_many)
    first, rest = (chosen // a.shape[2]).to(a.device), (chosen % a.shape[2]).to(a.device)

    def picked(values: Tensor) -> Tensor:
        return values.flatten(1)[first, rest].cpu().double()

    constant = torch.zeros(len(chosen)) if constants is None else picked(constants)
    coefficients = torch.cat([constant[:, None], a[first, :, rest].cpu().double()], 1)
    return Functions(coefficients, None if base is None else picked(base), synapse, total)


def to_inputs(synapse: Synapse, points: Tensor) -> Tensor:
    """Give the inputs that the domain brings to these points of the interval; for tanh its ends are ∓inf."""
    if synapse.domain != "tanh":
        return points
    half = synapse.basis.length / 2
    return torch.atanh((points / half).clamp(-1, 1)) * half


def _drawn(total: int, how_many: int) -> Tensor:
    if total <= how_many:
        return torch.arange(total)
    # Its own generator: looking at a network must not change what it draws next.
    return torch.randint(total, (how_many,), generator=torch.Generator().manual_seed(0))
