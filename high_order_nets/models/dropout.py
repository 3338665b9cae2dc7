"""Dropout that costs little on a CPU."""

import torch
from torch import Tensor, nn

STEPS = 2**16
"""Probabilities that 16 bits tell apart."""


class Dropout(nn.Dropout):
    """nn.Dropout, on a CPU from 16 random bits a number: a sixth of the time, p being a multiple of 1/65,536."""

    def forward(self, input: Tensor) -> Tensor:
        """Set numbers to 0 with probability p and divide the others by 1 - p, in training."""
        x, dropped = input, round(self.p * STEPS)
        if not self.training or x.device.type != "cpu" or not 0 < dropped < STEPS:
            return super().forward(x)
        words = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
        bits = words.view(torch.int16)[: x.numel()].view(x.shape)
        mask = (bits >= dropped - STEPS // 2).to(x.dtype)
        return x * mask.mul_(STEPS / (STEPS - dropped))
