"""Neurons that multiply their inputs' functions."""

import math

import torch
from torch import Tensor, nn


def balanced_product(factors: Tensor) -> Tensor:
    """Multiply along the last axis, (…, N) → (…), as a tree of pairs, each scaled before it is multiplied.

    A plain product of many factors overflows or vanishes half way although the result would not. The
    scales are powers of two, so that no digit is lost, and constants of the gradient, which stays exact where a
    factor is 0. A result beyond the dtype's range is inf.
    """
    wide = factors.to(torch.promote_types(factors.dtype, torch.float32))
    wide, exponent = _scaled(wide)
    exponent = exponent.sum(-1)
    while wide.shape[-1] > 1:
        if wide.shape[-1] % 2:
            wide = torch.cat([wide, torch.ones_like(wide[..., :1])], -1)
        wide, power = _scaled(wide[..., 0::2] * wide[..., 1::2])
        exponent = exponent + power.sum(-1)
    # In two halves: 2^exponent alone may be out of range where the result is not.
    half = exponent // 2
    product = wide[..., 0] * torch.exp2(half.to(wide.dtype)) * torch.exp2((exponent - half).to(wide.dtype))
    return product.to(factors.dtype)


def _scaled(x: Tensor) -> tuple[Tensor, Tensor]:
    """Split x = mantissa · 2^power, power an integer that the dtype can hold as a scale."""
    limit = 126 if x.dtype == torch.float32 else 1022
    power = torch.frexp(x.detach())[1].clamp(-limit, limit)
    return x * torch.exp2(-power.to(x.dtype)), power


class Product(nn.Module):
    """y_o = -1 + Π_i (1 + w_{o,i} x_i) - (1 - α) Σ_i w_{o,i} x_i + bias_o: x (…, in) → (…, out), weight (out, in).

    α = 1 keeps the linear part that the product contains, α = 0 takes it out.
    """

    def __init__(
        self, in_features: int, out_features: int, alpha: float = 1.0, bias: bool = True, device=None, dtype=None
    ):
        super().__init__()
        self.in_features, self.out_features, self.alpha = in_features, out_features, alpha
        self.weight = nn.Parameter(torch.empty(out_features, in_features, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.empty(out_features, device=device, dtype=dtype)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start with w ~ N(0, 1/in) and no bias: near a linear layer of unit gain."""
        nn.init.normal_(self.weight, std=1 / math.sqrt(self.in_features))
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """x (…, in) → (…, out); needs memory for (…, out, in)."""
        y = product_neuron(x.unsqueeze(-2) * self.weight, self.alpha)
        return y if self.bias is None else y + self.bias

    def extra_repr(self) -> str:
        """Show what the layer is made of."""
        return f"{self.in_features}, {self.out_features}, alpha={self.alpha}, bias={self.bias is not None}"


def product_neuron(f: Tensor, alpha: float) -> Tensor:
    """-1 + Π_i (1 + f_i) - (1 - α) Σ_i f_i along the last axis: (…, N) → (…)."""
    return balanced_product(1 + f) - 1 - (1 - alpha) * f.sum(-1)
