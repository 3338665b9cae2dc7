"""Shared functions, and a few second ones beside them."""

from torch import Tensor, nn

from .base import HighOrderLayer

POINTWISE: dict[int, type[nn.Module]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
"""By the dimensions of space."""


class LowRank(nn.Module):
    """y_o = Σ_i v_{o,i} ∗ φ_i(x_i) + Σ_r a_{o,r} Σ_i b_{r,i} ∗ ψ_i(x_i): a second function for each channel.

    `main` holds v and φ, `second`, of R outputs, b and ψ, and `mix`, an ordinary contraction of one pixel, a. As a = 0
    at the start, the layer begins as `main`. R = 0 is a function a channel; R as many as outputs would be two networks.
    """

    stays = "part of a layer of low rank"
    """Why nobody replaces the mix."""

    def __init__(self, main: HighOrderLayer, second: HighOrderLayer):
        super().__init__()
        self.main, self.second = main, second
        self.rank, self.outputs = _outputs(second), _outputs(main)
        self.mix = _mix(main, self.rank, self.outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Add both; x and y as of `main`."""
        return self.main(x) + self.mix(self.second(x))


def _outputs(layer: HighOrderLayer) -> int:
    return layer.out_features if hasattr(layer, "out_features") else layer.out_channels  # type: ignore[return-value]


def _mix(main: HighOrderLayer, rank: int, outputs: int) -> nn.Module:
    """Make the weights a, all 0."""
    factory = {"device": main.weight.device, "dtype": main.weight.dtype}
    if hasattr(main, "out_features"):
        mix: nn.Module = nn.Linear(rank, outputs, bias=False, **factory)
    else:
        kind = POINTWISE[len(main.kernel_size)]  # type: ignore[arg-type]
        mix = kind(rank, outputs, 1, groups=main.groups, bias=False, **factory)
    nn.init.zeros_(mix.weight)  # type: ignore[arg-type]
    return mix
