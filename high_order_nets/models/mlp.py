"""Fully connected networks: one of high-order layers, and the plain one that `convert` starts from."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from ..conversion.swaps import NORMS, make_activation, make_norm
from ..errors import UserError
from ..layers import HighOrder, HighOrderLayer, LayerType, Synapse, as_synapse, fully_connected
from .coordinates import Coordinates
from .parts import Bounds, Options, changed, open_bounds

Layers = list[tuple[int, int]]
"""Inputs and outputs of each layer."""


class HighOrderMLP(nn.Module):
    """Layers of functions with norms between them: x (…, in_width) → (…, out_width).

    - layer_type: a name, with n, segments, scale and the other options of its synapse; a Synapse; another LayerType; or
      `standard`, the ordinary network. Where scale and domain are left open the first layer is exact on inputs in
      [-1, 1] (scale 2, domain linear), and the others bound what they get (scale 4, domain tanh).
    - first, inner, last: options of the first layer, of those between two hidden ones and of the last that differ,
      such as `first={"n": 5, "domain": "clamp"}`; layer_type is one of them.
    - hidden_width, hidden_layers: neurons of each hidden layer and their number, or a list of widths. 0 is one layer
      of functions from input to output, h are h + 1 of them. (In high-order-layers-torch it counts the layers between
      two hidden ones: its h is h + 1 here.)
    - norm, activation: in front of all layers but the first: norms that `convert` knows, activations too; none by
      default, for functions bend by themselves, but ReLU in the standard network.
    - residual: what a layer between two hidden ones gets is added to what it gives.

    State dicts that were saved before 0.2 get the bounds of then: scale 2, domain extrapolate in all layers.
    Raises UserError for what is not known.
    """

    def __init__(  # noqa: PLR0913 (an option each)
        self,
        layer_type: str | Synapse | LayerType,
        *,
        in_width: int,
        out_width: int,
        hidden_width: int | Sequence[int] = 100,
        hidden_layers: int = 1,
        norm: str = "none",
        activation: str = "auto",
        residual: bool = False,
        first: Options = None,
        inner: Options = None,
        last: Options = None,
        device: Any = None,
        dtype: Any = None,
        **options: Any,
    ):
        super().__init__()
        factory = {"device": device, "dtype": dtype}
        widths = _widths(in_width, hidden_width, hidden_layers, out_width)
        self._bounds: dict[int, list[Bounds]] = {}
        self._version = 2
        try:
            made = self._make_layers(layer_type, options, (first, inner, last), list(pairwise(widths)), factory)
        except (ValueError, TypeError) as error:
            raise UserError(str(error)) from error
        self.layers = nn.ModuleList(made)
        self.norms = nn.ModuleList(_norm(norm, width, **factory) for width in widths[1:-1])
        if activation == "auto":
            activation = "relu" if layer_type == "standard" else "none"
        self.activations = nn.ModuleList(make_activation(activation).to(**factory) for _ in widths[1:-1])
        self.residual = residual
        if residual and len(set(widths[1:-1])) > 1:
            raise UserError(f"residual=True: hidden_width={hidden_width}: expected hidden layers of one width")

    def forward(self, x: Tensor) -> Tensor:
        """x (…, in_width) → (…, out_width); (batch, in_width) alone where the norm is batch or group."""
        x = self.layers[0](x)
        last = len(self.norms) - 1
        for place, (norm, activation) in enumerate(zip(self.norms, self.activations, strict=True)):
            y = self.layers[place + 1](activation(norm(x)))
            x = x + y if self.residual and place < last else y
        return x

    def get_extra_state(self) -> Tensor:
        """Keep which bounds the layers have that were left open: 1, those before 0.2, or 2."""
        return torch.tensor(self._version)

    def set_extra_state(self, state: Tensor) -> None:
        """Take the bounds that the weights were trained with."""
        self._take(int(state))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        state_dict.setdefault(f"{prefix}_extra_state", torch.tensor(1))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def _take(self, version: int) -> None:
        if version == self._version or version not in self._bounds:
            return
        self._version = version
        for layer, bounds in zip(self.layers, self._bounds[version], strict=True):
            assert isinstance(layer, HighOrderLayer)
            layer.become(bounds.of(layer.synapse), layer.own_parameters())

    def _make_layers(
        self,
        layer_type: str | Synapse | LayerType,
        options: dict[str, Any],
        parts: tuple[Options, Options, Options],
        sizes: Layers,
        factory: dict[str, Any],
    ) -> list[nn.Module]:
        if layer_type == "standard":
            return [nn.Linear(*size, **factory) for size in sizes]
        if isinstance(layer_type, LayerType) and not isinstance(layer_type, HighOrder):
            return [_replaced(layer_type, *size, factory) for size in sizes]
        if isinstance(layer_type, HighOrder):
            layer_type = layer_type.synapse
        shared = as_synapse(layer_type, options, HighOrderMLP)
        synapses, before = [], []
        for place in range(len(sizes)):
            own = _own_options(parts, place, len(sizes))
            synapse = changed(shared, own, HighOrderMLP)
            chosen = [*options, *own, *(("scale", "domain") if isinstance(layer_type, Synapse) else ())]
            before.append(Bounds(synapse.basis.length, synapse.domain))
            synapses.append(open_bounds(synapse, place == 0, chosen).of(synapse))
        self._bounds = {1: before, 2: [Bounds(synapse.basis.length, synapse.domain) for synapse in synapses]}
        return [fully_connected(*size, synapse, **factory) for size, synapse in zip(sizes, synapses, strict=True)]


def high_order_mlp(  # noqa: PLR0913 (a key of conf/model_name/high_order_mlp.yaml each)
    inputs: int,
    outputs: int,
    layer_type: LayerType | None,
    *,
    norm: str = "keep",
    activation: str = "auto",
    hidden_width: int = 8,
    hidden_layers: int = 1,
    residual: bool = False,
    first: Options = None,
    inner: Options = None,
    last: Options = None,
    coordinates: Mapping[str, Any] | None = None,
) -> nn.Module:
    """Make the network of `model_name=high_order_mlp`: as HighOrderMLP, whose layer type None is the standard one.

    With `coordinates`, options of Coordinates, those stand in front of it.
    """
    seen = Coordinates(inputs, **(coordinates or {}))
    if isinstance(layer_type, HighOrder):
        best = open_bounds(layer_type.synapse, True, () if layer_type.synapse.align == "none" else ("scale",))
        first = {"scale": best.length, "domain": best.domain} | _given(first)
    net = HighOrderMLP(
        "standard" if layer_type is None else layer_type,
        in_width=seen.width,
        out_width=outputs,
        hidden_width=hidden_width,
        hidden_layers=hidden_layers,
        norm="none" if norm == "keep" else norm,
        activation=("relu" if layer_type is None else "none") if activation in ("auto", "keep") else activation,
        residual=residual,
        first=first,
        inner=inner,
        last=last,
    )
    return net if seen.width == inputs else nn.Sequential(seen, net)


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


def _widths(inputs: int, hidden: int | Sequence[int], layers: int, outputs: int) -> list[int]:
    inner = [hidden] * layers if isinstance(hidden, int) else list(hidden)
    if min(inputs, outputs, *inner, *([hidden] if isinstance(hidden, int) else [])) < 1 or layers < 0:
        raise UserError(f"widths {inputs}, {hidden} × {layers}, {outputs}: expected positive ones and layers >= 0")
    return [inputs, *inner, outputs]


def _own_options(parts: tuple[Options, Options, Options], place: int, count: int) -> dict[str, Any]:
    """Give what is said of the layer at this place alone; of a single layer both first and last."""
    first, inner, last = map(_given, parts)
    if 0 < place < count - 1:
        return inner
    return (first if place == 0 else {}) | (last if place == count - 1 else {})


def _given(options: Options) -> dict[str, Any]:
    return {key: value for key, value in (options or {}).items() if value is not None}


def _replaced(layer_type: LayerType, inputs: int, outputs: int, factory: dict[str, Any]) -> nn.Module:
    layer = nn.Linear(inputs, outputs, **factory)
    if reason := layer_type.unsuited(layer):
        raise ValueError(f"layer_type: a layer of {inputs} inputs and {outputs} outputs: {reason}")
    return layer_type.replace(layer)


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
