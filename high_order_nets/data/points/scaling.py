"""From the numbers of the data to those that a network sees, and back."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Scaling:
    """(value - offset) · factor, one of each a column. Plain numbers: `Scaling(**saved)` is the same map again."""

    offset: tuple[float, ...]
    factor: tuple[float, ...]

    @classmethod
    def to_interval(cls, low: Tensor, high: Tensor, interval: float) -> Self:
        """Map low … high, (columns,) each, to [-interval/2, interval/2]; a column without extent loses its middle."""
        width = high - low
        factor = torch.where(width > 0, interval / width, 1.0)
        return cls(tuple(((low + high) / 2).tolist()), tuple(factor.tolist()))

    @classmethod
    def to_standard(cls, values: Tensor, deviation: float = 1.0) -> Self:
        """Map the columns of values (N, columns) to mean 0 and this standard deviation; constant ones to 0."""
        found = values.std(0, correction=0)
        mean = values.mean(0)
        factor = torch.where(found > 1e-12 * mean.abs(), deviation / found, 1.0)
        return cls(tuple(mean.tolist()), tuple(factor.tolist()))

    @classmethod
    def none(cls, columns: int) -> Self:
        """Leave the values as they are."""
        return cls((0.0,) * columns, (1.0,) * columns)

    def __call__(self, values: Tensor) -> Tensor:
        """Scale values (…, columns), in their dtype."""
        return (values - values.new_tensor(self.offset)) * values.new_tensor(self.factor)

    def back(self, values: Tensor) -> Tensor:
        """Give the values (…, columns) that were scaled to these."""
        return values / values.new_tensor(self.factor) + values.new_tensor(self.offset)
