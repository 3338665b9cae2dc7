"""Fully connected polynomials: CCP, NCP and their compositions, of Deep Polynomial Neural Networks (TPAMI 2021)."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from .blocks.precision import exactly, full

RECURSIONS = ("ccp", "ncp")


class Polynomial(nn.Module):
    """A polynomial of degree N of every feature: z (batch, inputs) → x_N (batch, width), with x_1 = U_1 z.

    - ccp: x_n = N_n((U_n z) ∗ x_{n-1}) + x_{n-1}.
    - ncp: x_n = N_n((U_n z) ∗ (S_n x_{n-1} + b_n)), U_n being the papers' A_n and b_n their B_n b_n.

    ∗ is elementwise; N_n is a batch norm, or with norm=False nothing.
    """

    def __init__(self, inputs: int, width: int, degree: int, recursion: str = "ccp", *, norm: bool = True):
        super().__init__()
        self.factors = nn.ModuleList(nn.Linear(inputs, width, bias=False) for _ in range(degree))
        states = degree - 1 if recursion == "ncp" else 0
        self.states = nn.ModuleList(nn.Linear(width, width) for _ in range(states))
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) if norm else nn.Identity() for _ in range(degree - 1))

    def forward(self, z: Tensor) -> Tensor:
        """Multiply up to degree N, in float32 at least."""
        first, *factors = (factor(z) for factor in self.factors)
        with exactly(z):
            x = full(first)
            for index, (factor, norm) in enumerate(zip(factors, self.norms, strict=True)):
                state = self.states[index](x) if self.states else x
                product = norm(full(factor) * state)
                x = product if self.states else product + x
        return x


def polynomial_mlp(
    num_classes: int,
    channels: int = 3,
    image_size: int = 32,
    recursion: str = "ccp",
    degrees: Sequence[int] = (4,),
    hidden_width: int = 128,
) -> nn.Sequential:
    """Make a classifier of flattened images: a polynomial of each of the degrees, in turn, and C x + β.

    One polynomial's output is the next one's input: of degrees 2 and 3 they are of degree 6 together (ProdPoly).
    """
    widths = [channels * image_size**2, *[hidden_width] * len(degrees)]
    polynomials = [
        Polynomial(inputs, width, degree, recursion)
        for (inputs, width), degree in zip(pairwise(widths), degrees, strict=True)
    ]
    return nn.Sequential(nn.Flatten(), *polynomials, nn.Linear(hidden_width, num_classes))
