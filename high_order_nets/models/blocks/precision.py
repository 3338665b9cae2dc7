"""Products of feature maps in float32 at least, whatever autocast says."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor


def exactly(like: Tensor) -> AbstractContextManager[Any]:
    """Turn autocast off, where it is on: a product leaves the range of float16 and the digits of bfloat16."""
    kind = like.device.type
    on = kind != "meta" and torch.is_autocast_enabled(kind)
    return torch.autocast(kind, enabled=False) if on else nullcontext()


def full(x: Tensor) -> Tensor:
    """Give x in float32, or in float64 if it is."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
