"""A network with its functions on the edges."""

import torch

from high_order_nets.inference.attribution import trace
from high_order_nets.models.mlp import HighOrderMLP
from high_order_nets.plots.network import draw_network


def test_every_connection_has_its_function() -> None:
    net = HighOrderMLP("polynomial", in_width=2, out_width=1, hidden_width=3, n=3)
    traced = trace(net, torch.rand(20, 2))
    words = [["sin", "x²", "exp", "x", "", "log"], ["a", "b", "c"]]
    figure = draw_network(traced, ("x", "y"), ("f",), "a title", words)
    whole, *boxes = figure.axes
    assert len(boxes) == 2 * 3 + 3
    written = {text.get_text() for text in whole.texts}
    assert {"x", "y", "f", "sin", "x²", "exp", "log", "a", "b", "c"} <= written
    values = boxes[0].lines[0].get_ydata()
    order = traced[0].inputs[:, 0].argsort()
    torch.testing.assert_close(torch.as_tensor(values), traced[0].values[order, 0, 0])
    assert len(draw_network(traced, ("x", "y"), ("f",), "").axes) == 10
