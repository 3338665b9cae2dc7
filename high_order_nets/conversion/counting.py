"""What a network costs: parameters and multiply-adds."""

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ..layers import HighOrderLayer


def count_parameters(net: nn.Module) -> int:
    """Count the trainable numbers, shared ones once."""
    return sum(p.numel() for p in net.parameters())


def count_reduced_parameters(net: nn.Module) -> int:
    """Count the trainable numbers, the constants of a high-order neuron's synapses as one."""
    redundant = sum(m.redundant_parameters for m in net.modules() if isinstance(m, HighOrderLayer))
    return count_parameters(net) - redundant


def multiply_adds(net: nn.Module, example: Callable[[int], Tensor]) -> int:
    """Count the multiply-adds of one input: what a larger batch, of `example` on the meta device, costs more."""

    def flops(batch: int) -> int:
        # On the meta device nothing is computed, and a copy leaves the norms' statistics alone.
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            blueprint(example(batch))
        return counter.get_total_flops()

    blueprint = deepcopy(net).to("meta").float().eval()  # a trained one may be of doubles, and the examples are not
    return (flops(3) - flops(2)) // 2
