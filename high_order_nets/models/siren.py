"""SIREN: fully connected networks with sines, for pictures and other fields."""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from ..errors import UserError


class Sine(nn.Module):
    """sin(ω x)."""

    def __init__(self, omega: float):
        super().__init__()
        self.omega = omega

    def forward(self, x: Tensor) -> Tensor:
        """Give it, in the shape of x."""
        return torch.sin(self.omega * x)

    def extra_repr(self) -> str:
        """Show the factor."""
        return f"omega={self.omega:g}"


class Siren(nn.Sequential):
    """x_{l+1} = sin(ω (W_l x_l + b_l)), the last layer without the sine: (…, inputs) → (…, outputs), x in [-1, 1].

    The weights of the first layer start uniform on ±1/inputs, those of the others on ±√(6/fan in)/ω, so that what the
    sines get is of deviation 1 in each layer (Sitzmann et al., 2020, arXiv:2006.09661, section 3.2 and supplement 1.5);
    biases as torch's. Raises UserError where there is no layer to build.
    """

    scalable_width = True

    def __init__(self, inputs: int, outputs: int, hidden_width: int, hidden_layers: int, omega: float):
        if min(inputs, outputs, hidden_width, hidden_layers) < 1:
            raise UserError(f"siren: hidden_width={hidden_width}, hidden_layers={hidden_layers}: expected at least 1")
        widths = [inputs, *[hidden_width] * hidden_layers]
        made: list[nn.Module] = []
        for place, (fan_in, width) in enumerate(pairwise(widths)):
            bound = 1 / fan_in if place == 0 else math.sqrt(6 / fan_in) / omega
            made += [_linear(fan_in, width, bound), Sine(omega)]
        super().__init__(*made, _linear(hidden_width, outputs, math.sqrt(6 / hidden_width) / omega))


def siren(inputs: int, outputs: int, hidden_width: int = 64, hidden_layers: int = 2, omega: float = 30.0) -> Siren:
    """Make the network of `model_name=siren`."""
    return Siren(inputs, outputs, hidden_width, hidden_layers, omega)


def _linear(inputs: int, outputs: int, bound: float) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.uniform_(layer.weight, -bound, bound)
    return layer
