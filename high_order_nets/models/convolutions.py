"""A list of convolutions of functions, in one to three dimensions, with nothing but norms between them."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from ..conversion.swaps import make_activation, make_norm
from ..errors import UserError
from ..layers import Synapse, as_synapse
from ..layers.conv import Size, sizes
from ..layers.high_order import CONVOLUTIONS
from .parts import Options, changed, open_bounds

PLAIN = dict(zip((1, 2, 3), CONVOLUTIONS, strict=True))
NORMS = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}


class HighOrderConvolutions(nn.Module):
    """Convolutions one after the other: x (batch, channels[0], *space) → (batch, channels[-1], *space').

    - layer_type: a name, with n, segments, scale and the other options of its synapse; a Synapse; or `standard`, the
      ordinary convolutions. Open bounds are chosen as by HighOrderMLP.
    - channels: of the input, then of each layer. kernel_size, stride: one for all layers, or a list with one each.
    - dimensions: 1, 2 or 3. Odd kernels keep the size of the space, at stride 1.
    - layers: a list with the options of each layer that differ, such as `[{"n": 5}, {}, {"domain": "clamp"}]`.
    - norm, activation: in front of all layers but the first, as of HighOrderMLP.

    Raises UserError for what is not known, and for lists of another length.
    """

    def __init__(
        self,
        layer_type: str | Synapse,
        channels: Sequence[int],
        kernel_size: Size | Sequence[Size] = 3,
        *,
        dimensions: int = 2,
        stride: Size | Sequence[Size] = 1,
        layers: Sequence[Options] = (),
        norm: str = "none",
        activation: str = "auto",
        **options: Any,
    ):
        super().__init__()
        if dimensions not in PLAIN or len(channels) < 2:
            raise UserError(f"dimensions={dimensions}, channels={[*channels]}: expected 1, 2 or 3 and at least a layer")
        if activation == "auto":
            activation = "relu" if layer_type == "standard" else "none"
        try:
            self.net = nn.Sequential()
            for place, (size, own) in enumerate(_sizes(channels, kernel_size, stride, layers, dimensions)):
                if place:
                    self.net.extend(_between(norm, activation, NORMS[dimensions](size["in_channels"])))
                if layer_type == "standard":
                    self.net.append(PLAIN[dimensions](**size))
                    continue
                synapse = _synapse(layer_type, options, own, first=place == 0)
                self.net.append(CONVOLUTIONS[PLAIN[dimensions]](**size, synapse=synapse))
        except (ValueError, TypeError) as error:
            raise UserError(str(error)) from error

    def forward(self, x: Tensor) -> Tensor:
        """x (batch, channels[0], *space) → (batch, channels[-1], *space')."""
        return self.net(x)


def _synapse(layer_type: str | Synapse, options: dict[str, Any], own: Options, *, first: bool) -> Synapse:
    synapse = changed(as_synapse(layer_type, options, HighOrderConvolutions), own, HighOrderConvolutions)
    chosen = [*options, *(own or {}), *(("scale", "domain") if isinstance(layer_type, Synapse) else ())]
    return open_bounds(synapse, first, chosen).of(synapse)


def _between(norm: str, activation: str, like: nn.Module) -> list[nn.Module]:
    made = make_norm(norm, like)
    if not isinstance(made, nn.Module):
        raise UserError(f"norm={norm!r}: {made}")
    return [made, make_activation(activation)]


def _sizes(
    channels: Sequence[int], kernel: Any, stride: Any, layers: Sequence[Options], dimensions: int
) -> Iterator[tuple[dict[str, Any], Options]]:
    """Give what makes each layer, and its own options."""
    count = len(channels) - 1
    kernels, strides = (_each(*given, count) for given in (("kernel_size", kernel), ("stride", stride)))
    own = _each("layers", [*layers], count) if layers else [None] * count
    for place, (inner, outer) in enumerate(pairwise(channels)):
        size = sizes(kernels[place], dimensions)
        shape = {"in_channels": inner, "out_channels": outer, "kernel_size": size, "stride": strides[place]}
        yield shape | {"padding": tuple(each // 2 for each in size)}, own[place]


def _each(name: str, given: Any, count: int) -> list[Any]:
    """Give what is said of each layer: of a list one each, of anything else the same for all."""
    if not isinstance(given, list):
        return [given] * count
    if len(given) != count:
        raise UserError(f"{name}={given}: expected one for each of {count} layers")
    return given
