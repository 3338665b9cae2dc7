"""Numbers for parts that a block may have: drawn so that all others of the network are what they are without them."""

import torch
from torch import Tensor


def drawn_beside(like: Tensor, deviation: float) -> Tensor:
    """Draw normal numbers of a tensor's shape, on the CPU, that follow from torch's random state and leave it alone."""
    generator = torch.default_generator.clone_state()
    generator.manual_seed(int(torch.randint(2**62, (), generator=generator, device="cpu")))
    return deviation * torch.randn(like.shape, generator=generator, device="cpu")
