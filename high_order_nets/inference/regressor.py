"""A trained regression: a module that takes numbers as they come."""

from typing import Any

from torch import Tensor, nn

from ..data.points.scaling import Scaling


class Regressor(nn.Module):
    """y (…, outputs) of x (…, inputs), both in the units of the data.

    Scales the inputs, and the network's outputs back, as the run did. `inputs` and `outputs` name the columns,
    `scaling` has the `Scaling` of each; `metadata` holds the run's `config` and `metrics`. Raises ValueError for other
    inputs.
    """

    def __init__(
        self,
        net: nn.Module,
        inputs: tuple[str, ...],
        outputs: tuple[str, ...],
        scaling: tuple[Scaling, Scaling],
        metadata: dict[str, Any],
    ):
        super().__init__()
        self.net = net
        self.inputs, self.outputs = inputs, outputs
        self.scaling = scaling
        self.metadata = metadata

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate, in the precision of the network."""
        if not x.is_floating_point() or x.shape[-1:] != (len(self.inputs),):
            raise ValueError(f"x {tuple(x.shape)} of {x.dtype}: expected floats (…, {len(self.inputs)})")
        inputs, outputs = self.scaling
        return outputs.back(self.net(inputs(x.to(next(self.net.parameters()).dtype))))
