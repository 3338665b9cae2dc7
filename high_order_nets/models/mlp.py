"""Fully connected networks: one of high-order layers, and the plain one that `convert` starts from."""

from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from ..conversion.swaps import NORMS, make_norm
from ..errors import UserError
from ..layers import Synapse, as_synapse, fully_connected


class HighOrderMLP(nn.Module):
    """Layers of functions with norms between them: x (…, in_width) → (…, out_width).

    layer_type is a name, with n, segments, scale and the other options of its synapse, or a Synapse. hidden_layers
    counts the layers of hidden neurons: 0 is one layer of functions from input to output, h are h + 1 of them. (In
    high-order-layers-torch it counts the layers between two hidden ones: its h is h + 1 here.) `norm`, any that
    `convert` knows, stands between two layers; nothing else does, the functions bend by themselves. Raises UserError
    for an unknown name.
    """

    def __init__(
        self,
        layer_type: str | Synapse,
        *,
        in_width: int,
        out_width: int,
        hidden_width: int = 100,
        hidden_layers: int = 1,
        norm: str = "none",
        device: Any = None,
        dtype: Any = None,
        **options: Any,
    ):
        super().__init__()
        factory = {"device": device, "dtype": dtype}
        synapse = _synapse(layer_type, options)
        self.layers = nn.ModuleList(
            fully_connected(inputs, outputs, synapse, **factory)
            for inputs, outputs in pairwise(_widths(in_width, hidden_width, hidden_layers, out_width))
        )
        self.norms = nn.ModuleList(_norm(norm, hidden_width, **factory) for _ in range(hidden_layers))

    def forward(self, x: Tensor) -> Tensor:
        """x (…, in_width) → (…, out_width); (batch, in_width) alone where the norm is batch or group."""
        x = self.layers[0](x)
        for norm, layer in zip(self.norms, self.layers[1:], strict=True):
            x = layer(norm(x))
        return x


class MLP(nn.Sequential):
    """Linear layers with batch norm and ReLU on the flattened image: (batch, channels, size, size) → (batch, C)."""

    scalable_width = True

    def __init__(self, inputs: int, classes: int, hidden_width: int, hidden_layers: int):
        *hidden, (last, outputs) = pairwise(_widths(inputs, hidden_width, hidden_layers, classes))
        blocks = [nn.Sequential(nn.Linear(i, o, bias=False), nn.BatchNorm1d(o), nn.ReLU()) for i, o in hidden]
        super().__init__(nn.Flatten(), *blocks, nn.Linear(last, outputs))


def mlp(
    num_classes: int, channels: int = 3, image_size: int = 32, hidden_width: int = 128, hidden_layers: int = 2
) -> MLP:
    """Make the plain classifier that `convert` starts from."""
    return MLP(channels * image_size**2, num_classes, hidden_width, hidden_layers)


def _widths(inputs: int, hidden: int, layers: int, outputs: int) -> list[int]:
    if min(inputs, hidden, outputs) < 1 or layers < 0:
        raise UserError(f"widths {inputs}, {hidden} × {layers}, {outputs}: expected positive ones and layers >= 0")
    return [inputs, *[hidden] * layers, outputs]


def _synapse(layer_type: str | Synapse, options: dict[str, Any]) -> Synapse:
    try:
        return as_synapse(layer_type, options, HighOrderMLP)
    except (ValueError, TypeError) as error:
        raise UserError(str(error)) from error


def _norm(name: str, width: int, **factory: Any) -> nn.Module:
    """Make the norm of (…, width)."""
    if name not in NORMS or name in ("keep", "instance"):
        choices = ", ".join(norm for norm in NORMS if norm not in ("keep", "instance"))
        raise UserError(f"norm={name!r}: expected one of {choices}")
    if name == "layer":
        return nn.LayerNorm(width, **factory)
    features = nn.BatchNorm1d(width, **factory) if name in ("batch", "group") else nn.LayerNorm(width, **factory)
    made = make_norm(name, features)
    assert isinstance(made, nn.Module)
    return made
