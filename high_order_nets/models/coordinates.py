"""The places that a network gets, seen from other sides."""

from torch import Tensor, nn

from ..errors import UserError
from ..layers.coordinates import FourierFeatures, rotated


class Coordinates(nn.Module):
    """Turn the axes of two inputs (`rotations` > 1), then take `waves` random waves of them: (…, inputs) → (…, width).

    The waves are FourierFeatures of this `deviation`. Raises UserError for other inputs and an odd number of waves.
    """

    def __init__(self, inputs: int, rotations: int = 1, waves: int = 0, deviation: float = 1.0):
        super().__init__()
        if rotations > 1 and inputs != 2:
            raise UserError(f"coordinates.rotations={rotations}: turns two inputs, and there are {inputs}")
        self.rotations = rotations
        turned = inputs * rotations
        try:
            self.waves = FourierFeatures(turned, waves, deviation) if waves else None
        except ValueError as error:
            raise UserError(f"coordinates.waves={waves}: {error}") from error
        self.width = waves or turned

    def forward(self, x: Tensor) -> Tensor:
        """Give what the first layer gets."""
        if self.rotations > 1:
            x = rotated(x, self.rotations)
        return x if self.waves is None else self.waves(x)
