"""What linear and convolution layers share: their parameters, and the way from those to an ordinary contraction."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..basis.synapse import Synapse
from ..kernels.dispatch import apply
from ..kernels.expansion import Expansion
from ..kernels.parameters import Inputs, Parameters, split, without_autocast
from .alignment import follow_
from .init import draw


class HighOrderLayer(nn.Module):
    """y_o = Σ_i f_{o,i}(x_i) + bias_o, with a weight of shape (first, M, …): see the subclasses.

    - With `parameters="spectral"` M gives way to G: the coefficients of φ_1 … φ_G, and one bias a neuron stands for
      all constants.
    - With `sharing` f_{o,i} = v_{o,i} φ_i: `weight` (first, …) is the ordinary one, v, and `shape` (M, functions) has
      the weights of the φ_i, one for every input channel or for every group of channels; with sharing=deviation it has
      the deviations δ_i of φ_i = φ̄ + ρ δ_i, and `master` (M, 1) those of φ̄.
    - With `base` an ordinary contraction of the activated input is added, of `base_weight` (first, …).

    These parameters are all of the state: T follows from the basis. Only what `update_interval` or `align` has given
    an interval from data has a buffer `interval` (2, channels) too: a channel's functions get
    (x - interval[0]) · interval[1]. With align=batch there are running_mean and running_var (channels,), as of a norm.
    """

    neuron = "sum"
    follows = False
    """Whether the interval follows the inputs in training, batch by batch."""
    start: Any = None
    """What it was converted to begin as, a Start, until its interval is measured: `align` writes it anew then."""
    interval: Tensor | None
    running_mean: Tensor
    running_var: Tensor

    def __init__(
        self, ordinary_shape: tuple[int, ...], inputs: Inputs, synapse: Synapse, bias: int | None, **factory: Any
    ):
        super().__init__()
        if synapse.neuron != self.neuron:
            raise ValueError(
                f"{type(self).__name__}: product neurons are HighOrderProduct's, and all of its are products"
            )
        self.synapse, self.inputs = synapse, inputs
        _prepare(synapse)
        first, *rest = ordinary_shape

        def parameter(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.empty(shape, **factory))

        self.weight = parameter(first, *rest) if synapse.shared else parameter(first, synapse.weights, *rest)
        self.bias = None if bias is None else parameter(bias)
        self.shape = parameter(synapse.weights, _functions(synapse, inputs.channels)) if synapse.shared else None
        self.base_weight = parameter(first, *rest) if synapse.base else None
        self.master = parameter(synapse.weights, 1) if synapse.sharing == "deviation" else None
        self.register_buffer("interval", None)
        self.momentum = 0.1 if synapse.align == "batch" else None
        if self.momentum is not None:
            self.register_buffer("running_mean", torch.zeros(inputs.channels, **factory))
            self.register_buffer("running_var", torch.ones(inputs.channels, **factory))
        self.register_buffer("_transform", self._exact_transform(), persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the functions by the synapse's `init`; a bias of its own starts at 0."""
        if self.bias is not None:
            nn.init.zeros_(self.bias)
        if not self.weight.is_meta:
            store(self, *draw(self.synapse, self.inputs, self.own_parameters(), self.transform))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        saved = state_dict.get(f"{prefix}interval")
        if saved is not None and self.interval is None:
            self.start = None
            self.interval = torch.empty_like(saved, device=self.weight.device, dtype=self.weight.dtype)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
        self._transform = self._exact_transform()  # at once, for whoever compiles the forward pass next

    @property
    def transform(self) -> Tensor:
        """T (1 + G, M), exact, where the weight is now: it may have been assigned, from another device or dtype."""
        kept: Tensor = self._buffers["_transform"]  # type: ignore[assignment]
        if kept.device != self.weight.device or kept.dtype != torch.promote_types(self.weight.dtype, torch.float32):
            self._transform = kept = self._exact_transform()
        return kept

    def _exact_transform(self) -> Tensor:
        # At least float32, and never rounded on the way: `.bfloat16().double()` ends with an exact T again.
        dtype = torch.promote_types(self.weight.dtype, torch.float32)
        return self.synapse.transform().to(device=self.weight.device, dtype=dtype)

    def _apply(self, fn: Any, recurse: bool = True) -> "HighOrderLayer":
        super()._apply(fn, recurse)
        self._transform = self._exact_transform()
        return self

    @property
    def fan_in(self) -> int:
        """The number of inputs of a neuron."""
        return self.inputs.fan_in

    def suited(self, synapse: Synapse) -> Synapse:
        """Give what of a synapse such a layer can have: all of it."""
        return synapse

    def own_parameters(self) -> Parameters:
        """Give the parameters in their order."""
        return Parameters(self.weight, self.bias, self.shape, self.base_weight, self.master)

    def become(self, synapse: Synapse, parameters: Parameters) -> None:
        """Take another function space and its parameters, in place; each is an nn.Parameter or None."""
        self.synapse = synapse
        _prepare(synapse)
        self.weight, self.bias, self.shape, self.base_weight, self.master = parameters
        self._transform = self._exact_transform()

    @property
    def constants_add_up(self) -> bool:
        """Say whether all outputs of a neuron see all of its constants, so that a bias can stand for them."""
        return True

    # --- from x and the parameters to an ordinary contraction; the kernels call these ---------------------------

    def expand(self, x: Tensor, mixture: Tensor | None) -> Expansion:
        """Expand x (rows, channels, *space)."""
        return Expansion(self.synapse, self.inputs.groups, x, mixture)

    def mixture(self, p: Parameters) -> Tensor | None:
        """Give the coefficients (1 + G, channels) of the shared functions; None where they are not shared."""
        if (functions := p.functions) is None:
            return None
        if self.synapse.parameters == "spectral":
            c = F.pad(functions, (0, 0, 1, 0))
        else:
            c = self.transform @ functions.to(self.transform.dtype)
        return self.per_channel(c)

    def kernel(self, p: Parameters) -> Tensor:
        """Give the weight of the contraction with the features, all terms of a channel along axis 1: (first, T, …)."""
        if self.synapse.shared:
            parts = [p.weight.unsqueeze(1)]
        elif self.synapse.parameters == "spectral":
            parts = [p.weight]
        else:
            parts = [self.transformed(p.weight, slice(1, None)).to(p.weight.dtype)]
        if parts[0].shape[1] == 0:
            parts = [p.weight.new_zeros(len(p.weight), 1, *p.weight.shape[2:])]
        if p.base_weight is not None:
            parts.append(p.base_weight.unsqueeze(1))
        return self.rescaled(torch.cat(parts, 1) if len(parts) > 1 else parts[0])

    def constants(self, p: Parameters) -> Tensor | None:
        """Give the constants of the functions, (first, …), where they are not in the bias or the features."""
        return self.rescaled(self.transformed(p.weight, slice(0, 1))[:, 0]) if self.has_constants else None

    @property
    def has_constants(self) -> bool:
        """Say whether the functions have constants of their own, that are in neither the bias nor the features."""
        return not self.synapse.shared and self.synapse.parameters == "nodal" and self.synapse.basis.has_constant

    def transformed(self, weight: Tensor, rows: slice = slice(None)) -> Tensor:
        """T w along the second axis, or some rows of it: (first, M, …) → (first, 1 + G, …)."""
        transform = self.transform[rows]
        a = transform @ weight.to(transform.dtype).flatten(2)
        return a.view(len(weight), len(transform), *weight.shape[2:])

    def rescaled(self, weight: Tensor) -> Tensor:
        """Divide by the number of inputs where asked for."""
        return weight / self.fan_in if self.synapse.rescale_output else weight

    # --- what a layer of each kind says -------------------------------------------------------------------------

    def contract(self, features: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
        """Contract the features (rows, channels, *space) with the kernel (first, T, …)."""
        raise NotImplementedError

    def contract_gradients(
        self, grad: Tensor, features: Tensor, kernel: Tensor, needed: tuple[bool, bool]
    ) -> tuple[Tensor | None, Tensor | None]:
        """Give the gradients of `contract` for its features and its kernel."""
        raise NotImplementedError

    def offset(self, p: Parameters, x: Tensor) -> Tensor | None:
        """Give what is added to the contraction: a vector (out,), or (1, out, *space) where it depends on the place."""
        raise NotImplementedError

    def neuron_sums(self, constants: Tensor) -> Tensor:
        """Add up a neuron's constants where all its inputs lie inside: (first, …) → (out,)."""
        raise NotImplementedError

    def spread(self, values: Tensor) -> Tensor:
        """Bring values of every channel, (rows, channels), to the layout (first, rows, …) of full weights."""
        raise NotImplementedError

    # ------------------------------------------------------------------------------------------------------------

    def evaluate(self, x: Tensor) -> Tensor:
        """Compute the output of x (rows, channels, *space)."""
        return apply(self, self.localised(self.synapse.disturbed(x) if self.training else x))

    def localised(self, x: Tensor) -> Tensor:
        """Bring x (rows, channels, *space) to the interval that the functions live on."""
        if self.momentum is not None:
            return F.batch_norm(x, self.running_mean, self.running_var, None, None, self.training, self.momentum)
        interval = self.interval
        if interval is None:
            return x
        if self.follows and self.training:
            follow_(interval, x, self.synapse.align)
            interval = interval.clone()  # for the backward pass, whatever follows next
        centre, factor = interval.to(x.dtype).view(2, -1, *[1] * (x.dim() - 2))
        return (x - centre) * factor

    @property
    def localises(self) -> bool:
        """Say whether the functions get something other than x."""
        return self.interval is not None or self.momentum is not None

    def coefficients(self) -> tuple[Tensor | None, Tensor]:
        """a_0, (first, …) or None where there is none, and a_1 … a_G, (first, G, …); divided under rescale_output."""
        weight = self.full_weight()
        if self.synapse.parameters == "nodal":
            with without_autocast(weight):
                weight = self.transformed(weight).to(weight.dtype)
        weight = self.rescaled(weight)
        if self.synapse.parameters == "spectral":
            return None, weight
        return weight[:, 0] if self.synapse.basis.has_constant else None, weight[:, 1:]

    def full_weight(self) -> Tensor:
        """Give a weight with a function for every connection, (first, M, …): weight[o, j, i] = v[o, i] φ_i[j]."""
        functions = self.own_parameters().functions
        if functions is None:
            return self.weight
        return self.weight.unsqueeze(1) * self.spread(self.per_channel(functions))

    def per_channel(self, shape: Tensor) -> Tensor:
        """Repeat the columns of groups of channels: (M, functions) → (M, channels)."""
        return shape.repeat_interleave(self.inputs.channels // shape.shape[1], 1)

    @property
    def redundant_parameters(self) -> int:
        """Count the weights that only repeat a constant: one a neuron would do for all of its synapses."""
        if self.synapse.parameters == "spectral" or not self.synapse.basis.has_constant:
            return 0
        if self.shape is not None:
            functions = self.shape.shape[1] + (self.master is not None)
            return functions if self.bias is not None else max(0, functions - self._neurons)
        synapses = self.weight.numel() // self.weight.shape[1]
        return synapses - (self._neurons if self.bias is None else 0)

    @property
    def _neurons(self) -> int:
        ordinary = self.weight.numel() // (1 if self.synapse.shared else self.weight.shape[1])
        return ordinary // self.fan_in

    def extra_repr(self) -> str:
        """Show the layer's sizes as torch does, then the functions."""
        return f"{self._sizes()}, bias={self.bias is not None}, {self.synapse}"

    def _sizes(self) -> str:
        """Write the sizes that the layer was made with."""
        raise NotImplementedError


@torch.no_grad()
def store(layer: HighOrderLayer, weight: Tensor, functions: Tensor | None) -> None:
    """Write drawn functions into the parameters; `functions` (M, channels or groups) go with ordinary weights."""
    p = layer.own_parameters()
    spectral = layer.synapse.parameters == "spectral"
    if functions is not None and p.shape is None:
        weight, functions = weight.unsqueeze(1) * layer.spread(functions), None
    if functions is None:
        full = layer.transformed(weight) if spectral else weight
        p.weight.copy_(full[:, 1:] if spectral else full)
        constants = full[:, 0]
    else:
        assert p.shape is not None
        full = layer.transform @ functions if spectral else functions
        p.weight.copy_(weight)
        for parameter, nodal in _parts(p, p.shape, functions):
            parameter.copy_((layer.transform @ nodal)[1:] if spectral else nodal)
        constants = (weight.unsqueeze(1) * layer.spread(layer.per_channel(full[:1])))[:, 0]
    if spectral and p.bias is not None:
        p.bias.copy_(layer.neuron_sums(layer.rescaled(constants)))


def _parts(p: Parameters, shape: Tensor, functions: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Pair the parameters of shared functions with what of the functions they hold."""
    return [(shape, functions)] if p.master is None else [*zip((p.master, shape), split(functions), strict=True)]


def _prepare(synapse: Synapse) -> None:
    """Compute, before anybody compiles the forward pass, what compilers cannot follow: caches filled on first use."""
    basis = synapse.basis
    _ = basis.has_constant, basis.groups, basis.end_slopes


def _functions(synapse: Synapse, channels: int) -> int:
    """Count the functions of a layer that shares them."""
    functions = synapse.function_count(channels)
    if channels % functions:
        raise ValueError(f"sharing={functions}: must divide the layer's {channels} input channels")
    return functions
