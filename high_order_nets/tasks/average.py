"""A moving average of the weights, beside those that are trained."""

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class Average(nn.Module):
    """avg ← d avg + (1 - d) w after each step, in `net`, d = min(decay, (1 + t)/(10 + t)) in step t = 1, 2, ….

    The growing d, TensorFlow's, lets the average of a short run forget its start. Buffers of floating point, the
    statistics of norms and intervals that are measured, are averaged as weights are; others are copied. Always in
    evaluation mode; what it holds and t are in its state dict.
    """

    def __init__(self, net: nn.Module, decay: float):
        super().__init__()
        self.net = deepcopy(net).requires_grad_(False)
        self._decay, self._steps = decay, 0
        self.train(False)

    def train(self, mode: bool = True) -> "Average":
        """Stay in evaluation mode: no statistic is ever taken here."""
        del mode
        return super().train(False)

    def get_extra_state(self) -> Tensor:
        """Keep the number of steps with the weights."""
        return torch.tensor(self._steps)

    def set_extra_state(self, state: Tensor) -> None:
        """Go on from the step that was saved."""
        self._steps = int(state)

    @torch.no_grad()
    def update(self, net: nn.Module) -> None:
        """Take in the weights of the network after a step."""
        self._steps += 1
        decay = min(self._decay, (1 + self._steps) / (10 + self._steps))
        pairs = [*zip(_tensors(self.net), _tensors(net), strict=True)]
        averaged, new = zip(*(pair for pair in pairs if pair[0].is_floating_point()), strict=True)
        get_ema_multi_avg_fn(decay)(averaged, new, self._steps)
        for own, other in pairs:
            if not own.is_floating_point():
                own.copy_(other)


def _tensors(net: nn.Module) -> list[Tensor]:
    return [*net.parameters(), *net.buffers()]
