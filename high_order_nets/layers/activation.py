"""Functions of the channels alone: what stands where an ordinary network has an activation."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ..basis.synapse import Synapse
from ..kernels.parameters import Inputs, Parameters
from .base import HighOrderLayer, store
from .init import draw
from .layer_type import as_synapse


class HighOrderActivation(HighOrderLayer):
    """y_c = φ_c(x_c): x (…, channels, height, width) → the same, shape (M, functions).

    A function for each channel or, with sharing=g, for each of g groups. It is the shared function of a layer whose
    weight is 1, so that it is refined, drawn and optimised as those are: `weight` (1, channels) is no parameter. With
    `parameters="spectral"` a bias a channel has the constants. Of a synapse it takes what says where x lies (basis,
    domain, periodicity, align), init, parameters and sharing; an init draws the functions themselves, so that `linear`
    begins as φ_c(x) = x, or as x aligned.
    """

    kernel_size = (1, 1)

    def __init__(self, channels: int, synapse: Synapse | str, device: Any = None, dtype: Any = None, **options: Any):
        synapse = self.suited(as_synapse(synapse, options, type(self)))
        inputs, bias = Inputs(channels, 1, 1, 1), channels if synapse.needs_bias else None
        super().__init__((1, channels), inputs, synapse, bias, device=device, dtype=dtype)
        one = self.weight.detach()
        del self.weight
        self.register_buffer("weight", one, persistent=False)

    def suited(self, synapse: Synapse) -> Synapse:
        """Give a function to each channel where each connection has one; what sums and inputs have is left out."""
        sharing = synapse.sharing if synapse.shared else "channel"
        left_out: dict[str, Any] = {"base": None, "rescale_output": False, "dropout": 0.0, "noise": 0.0}
        return replace(synapse, sharing=sharing, neuron="sum", **left_out)

    def reset_parameters(self) -> None:
        """Draw the functions by the synapse's `init`, as they are."""
        if self.bias is not None:
            nn.init.zeros_(self.bias)
        if not self.weight.is_meta:
            _, functions = draw(self.synapse, self.inputs, self.own_parameters(), self.transform)
            store(self, torch.ones_like(self.weight), functions)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
        assert self.shape is not None
        self.weight = torch.ones_like(self.weight, device=self.shape.device, dtype=self.shape.dtype)  # if assigned

    def forward(self, x: Tensor) -> Tensor:
        """x (batch, channels, height, width) or (channels, height, width) → the same shape."""
        if x.dim() == 3:
            return self.forward(x.unsqueeze(0)).squeeze(0)
        if x.shape[1] != self.inputs.channels:
            raise ValueError(f"x of shape {tuple(x.shape)}: expected (batch, {self.inputs.channels}, height, width)")
        return self.evaluate(x)

    def contract(self, features: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
        """Leave the features as they are, but for the bias."""
        return features if bias is None else features + bias[:, None, None]

    def contract_gradients(
        self, grad: Tensor, features: Tensor, kernel: Tensor, needed: tuple[bool, bool]
    ) -> tuple[Tensor | None, Tensor | None]:
        """Give the gradient of the features; the weight has none."""
        return grad, None

    def offset(self, p: Parameters, x: Tensor) -> Tensor | None:
        """Give the constants of the functions: (channels,)."""
        return p.bias

    def neuron_sums(self, constants: Tensor) -> Tensor:
        """(1, channels) → (channels,)."""
        return constants[0]

    def spread(self, values: Tensor) -> Tensor:
        """(rows, channels) → (1, rows, channels)."""
        return values.unsqueeze(0)

    def _sizes(self) -> str:
        return str(self.inputs.channels)
