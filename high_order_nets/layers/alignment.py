"""The interval that aligns a layer's inputs: measured of a batch, and followed from batch to batch."""

import torch
from torch import Tensor

CONSTANT = 1e-5
"""A channel whose deviation is less than this part of its mean is constant but for rounding."""
MOMENTUM = 0.1
"""How much of an interval that follows its inputs each batch is, as of the statistics of norms."""


def measured(x: Tensor, align: str) -> Tensor:
    """Give c and f of u = (x - c) · f, (2, channels), for inputs x (rows, channels, *space): see Synapse.align.

    In float32 or better; f is 1 where a channel is constant. Not finite where x is not.
    """
    centre, deviation = _statistics(x, align)
    factor = torch.where(deviation > CONSTANT * centre.abs(), 1 / deviation, 1.0)
    return torch.stack([centre, torch.where(deviation.isfinite(), factor, deviation)])


@torch.no_grad()
def follow_(interval: Tensor, x: Tensor, align: str) -> None:
    """Bring an interval, in place, nearer to that of x: centre and deviation are means that forget."""
    centre, factor = measured(x.detach(), align).to(interval)
    interval[0].lerp_(centre, MOMENTUM)
    interval[1] = 1 / torch.lerp(1 / interval[1], 1 / factor, MOMENTUM)


def _statistics(x: Tensor, align: str) -> tuple[Tensor, Tensor]:
    """Give mean and deviation of each channel; for `layer` 0 and the root mean square of all."""
    values = x.movedim(1, 0).flatten(1).to(torch.promote_types(x.dtype, torch.float32))
    if align == "channel":
        deviation, mean = torch.std_mean(values, 1, correction=0)
        return mean, deviation
    zeros = values.new_zeros(len(values))
    return zeros, zeros + values.square().mean().sqrt()
