"""Lists of layers as convolutions, in one to three dimensions."""

import re

import pytest
import torch
from torch import nn

from high_order_nets.errors import UserError
from high_order_nets.layers import HighOrderLayer, make_synapse
from high_order_nets.models.convolutions import HighOrderConvolutions
from high_order_nets.models.mlp import HighOrderMLP


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_of_single_pixels_they_are_the_fully_connected_network(dimensions: int) -> None:
    options = {"n": 3, "segments": 2, "dtype": torch.float64}
    mlp = HighOrderMLP("continuous", in_width=2, out_width=4, hidden_width=5, first={"n": 4}, **options)
    net = HighOrderConvolutions(
        "continuous", [2, 5, 4], 1, dimensions=dimensions, layers=[{"n": 4}, {}], n=3, segments=2
    ).double()
    assert [str(layer.synapse) for layer in net.net if isinstance(layer, HighOrderLayer)] == [
        str(layer.synapse) for layer in mlp.layers if isinstance(layer, HighOrderLayer)
    ]
    convolutions = [layer for layer in net.net if isinstance(layer, HighOrderLayer)]
    for layer, like in zip(convolutions, mlp.layers, strict=True):
        layer.load_state_dict({k: v.reshape(layer.state_dict()[k].shape) for k, v in like.state_dict().items()})
    x = torch.rand(3, 2, *(5, 6, 7)[:dimensions], dtype=torch.float64) * 3 - 1.5
    torch.testing.assert_close(net(x).movedim(1, -1), mlp(x.movedim(1, -1)))


def test_each_layer_has_what_is_said_of_it() -> None:
    net = HighOrderConvolutions(
        make_synapse("polynomial", n=3),
        [1, 4, 8, 2],
        [5, 3, (1, 3)],
        stride=[2, 1, 1],
        norm="max_abs",
        activation="tanh",
    )
    assert net(torch.zeros(2, 1, 9, 8)).shape == (2, 2, 5, 4)
    assert [type(module).__name__ for module in net.net] == [
        *("HighOrderConv2d", "MaxAbs", "Tanh", "HighOrderConv2d", "MaxAbs", "Tanh", "HighOrderConv2d"),
    ]
    control = HighOrderConvolutions("standard", [1, 4, 8, 2], [5, 3, (1, 3)], stride=[2, 1, 1])
    assert [type(module) for module in control.net][::3] == [nn.Conv2d] * 3
    assert [type(module) for module in control.net][2::3] == [nn.ReLU] * 2
    assert control(torch.zeros(2, 1, 9, 8)).shape == (2, 2, 5, 4)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("polynomial", [3]), {}, "dimensions=2, channels=[3]: expected 1, 2 or 3 and at least a layer"),
        (("polynomial", [3, 4]), {"dimensions": 4}, "dimensions=4"),
        (("polynomial", [3, 4], [3, 3]), {}, "kernel_size=[3, 3]: expected one for each of 1 layers"),
        (("polynomial", [3, 4]), {"layers": [{}, {}]}, "layers=[{}, {}]: expected one for each of 1 layers"),
        (("polynomial", [3, 4], (3, 3, 3)), {}, "(3, 3, 3): expected one number or 2 of them"),
        (("polynomail", [3, 4]), {}, "layer_type='polynomail'"),
        (("polynomial", [3, 4]), {"degree": 3}, "degree"),
    ],
)
def test_what_is_not_known_is_refused(arguments: tuple, options: dict, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        HighOrderConvolutions(*arguments, **options)
