"""Fully connected polynomials are their recursions, and of the degree that they say."""

from typing import Any

import pytest
import torch
from torch import nn

from high_order_nets.models.degree import degrees
from high_order_nets.models.polynomial_mlp import Polynomial, polynomial_mlp


def random(net: Any) -> Any:
    for parameter in net.parameters():
        nn.init.normal_(parameter)
    return net.double()


def test_ccp_is_its_recursion() -> None:
    net, z = random(Polynomial(5, 4, 3, norm=False)), torch.randn(7, 5, dtype=torch.float64)
    u1, u2, u3 = (factor.weight for factor in net.factors)
    x = z @ u1.T
    x = (z @ u2.T) * x + x
    x = (z @ u3.T) * x + x
    torch.testing.assert_close(net(z), x)


def test_ncp_is_its_recursion() -> None:
    net, z = random(Polynomial(5, 4, 3, "ncp", norm=False)), torch.randn(7, 5, dtype=torch.float64)
    a1, a2, a3 = (factor.weight for factor in net.factors)
    (s2, b2), (s3, b3) = ((state.weight, state.bias) for state in net.states)
    x = z @ a1.T
    x = (z @ a2.T) * (x @ s2.T + b2)
    x = (z @ a3.T) * (x @ s3.T + b3)
    torch.testing.assert_close(net(z), x)


@pytest.mark.parametrize(("recursion", "together"), [("ccp", [1]), ("ccp", [4]), ("ncp", [5]), ("ccp", [2, 3])])
def test_its_degree_is_the_product(recursion: str, together: list[int]) -> None:
    net = random(polynomial_mlp(3, channels=1, image_size=2, recursion=recursion, degrees=together, hidden_width=4))
    assert degrees(net, torch.randn(2, 1, 2, 2), torch.randn(2, 1, 2, 2)) == [torch.tensor(together).prod()] * 2
