"""Small fully connected layers keep their features: computing them again would take longer."""

import pytest
import torch
from torch import Tensor

from high_order_nets.kernels import dispatch
from high_order_nets.layers import HighOrderConv2d, HighOrderLayer, HighOrderLinear

OPTIONS = [
    {},
    {"parameters": "spectral", "domain": "tanh"},
    {"sharing": "channel", "init": "mixed", "domain": "linear"},
    {"base": "silu", "rescale_output": True, "domain": "clamp"},
]


def numbers_kept(layer: HighOrderLayer, x: Tensor) -> int:
    """Those beside x and the parameters."""
    own = {tensor.untyped_storage().data_ptr() for tensor in (x, *layer.parameters(), *layer.buffers())}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes() // tensor.element_size()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        layer(x)
    return sum(count for place, count in kept.items() if place not in own)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("layer_type", ["polynomial", "continuous", "fourier"])
def test_both_ways_give_the_same(layer_type: str, options: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = HighOrderLinear(5, 4, layer_type, n=4, dtype=torch.float64, **options)
    x = (torch.randn(7, 5, dtype=torch.float64)).requires_grad_()
    found = []
    for most in (dispatch.SMALL, -1):
        monkeypatch.setattr(dispatch, "SMALL", most)
        y = layer(x)
        found.append([y, *torch.autograd.grad(y.square().sum(), [x, *layer.parameters()])])
    for small, large in zip(*found, strict=True):
        torch.testing.assert_close(small, large)


def test_only_small_ones_keep_more_than_they_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, x = HighOrderLinear(8, 4, "polynomial", n=3), torch.rand(30, 8)
    assert 0 < numbers_kept(layer, x) <= 8 * x.numel()
    monkeypatch.setattr(dispatch, "SMALL", 2 * x.numel() - 1)
    assert numbers_kept(layer, x) == 0
    conv = HighOrderConv2d(3, 2, 3, "polynomial", n=3)
    assert numbers_kept(conv, torch.rand(1, 3, 5, 5)) == 0
