"""What a kernel may ask of a layer, and what it is asked to compute."""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from ..basis.synapse import Synapse
from .expansion import Expansion
from .parameters import Inputs, Parameters


class Contraction(Protocol):
    """A layer as kernels see it: the way from x and the parameters `p` to an ordinary contraction.

    x has the shape (rows, channels, *space), features (rows, T · channels, *space), a kernel (first, T, …).
    """

    synapse: Synapse
    inputs: Inputs

    def own_parameters(self) -> Parameters:
        """Give the parameters in their order."""
        ...

    def expand(self, x: Tensor, mixture: Tensor | None) -> Expansion:
        """Expand x."""
        ...

    def mixture(self, p: Parameters) -> Tensor | None:
        """Give the coefficients (1 + G, channels) of shared functions."""
        ...

    def kernel(self, p: Parameters) -> Tensor:
        """Give the weight of the contraction with the features."""
        ...

    def constants(self, p: Parameters) -> Tensor | None:
        """Give the constants of the functions, (first, …)."""
        ...

    def offset(self, p: Parameters, x: Tensor) -> Tensor | None:
        """Give what is added to the contraction."""
        ...

    def rescaled(self, weight: Tensor) -> Tensor:
        """Divide by the number of inputs where asked for."""
        ...

    def contract(self, features: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
        """Contract the features with the kernel."""
        ...

    def contract_gradients(
        self, grad: Tensor, features: Tensor, kernel: Tensor, needed: tuple[bool, bool]
    ) -> tuple[Tensor | None, Tensor | None]:
        """Give the gradients of `contract` for its features and its kernel."""
        ...


class Call(NamedTuple):
    """One evaluation of a layer.

    `dtype` is the one that features and weights are rounded to for the product, and that of the output.
    """

    layer: Contraction
    x: Tensor
    parameters: Parameters
    dtype: torch.dtype

    def pieces(self, rows: int) -> list["Call"]:
        """Split into calls of so many rows of x."""
        return [self._replace(x=piece) for piece in self.x.split(rows)]


Gradients = tuple[Tensor | None, ...]
"""Those of x and of the parameters, None for those not needed."""
