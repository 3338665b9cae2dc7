"""Autoencoders: shapes, equal parameters, what is swapped, and what a decoder's outputs say of pixels."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Bernoulli, Independent, Normal, kl_divergence

from high_order_nets import convert
from high_order_nets.errors import UserError
from high_order_nets.layers import HighOrderLayer
from high_order_nets.models.autoencoder import autoencoder, divergence, variational_autoencoder
from high_order_nets.models.likelihood import LIKELIHOODS, Gaussian

SMALL: dict[str, Any] = {"latent": 3, "hidden_channels": 4, "stages": 2}


@pytest.mark.parametrize(("channels", "size"), [(1, 8), (1, 28), (3, 32), (2, 11)])
@pytest.mark.parametrize("build", [autoencoder, variational_autoencoder])
def test_images_of_any_size_come_back_as_pixels(build: Any, channels: int, size: int) -> None:
    made, _ = convert(build(channels=channels, image_size=size, **SMALL))
    net: Any = made
    images = torch.rand(2, channels, size, size) * 4 - 2
    net.eval().requires_grad_(False)
    found = net(images)
    assert found.shape == images.shape
    assert 0 < float(found.min()) < float(found.max()) < 1
    assert net.encode(images).shape == (2, 3)
    torch.testing.assert_close(net.decode(net.encode(images)), found)


@pytest.mark.parametrize("n", [3, 5])
@pytest.mark.parametrize("build", [autoencoder, variational_autoencoder])
def test_high_order_has_the_parameters_of_the_standard_one(build: Any, n: int) -> None:
    net = build(channels=1, image_size=8, latent=8, hidden_channels=32, stages=2)
    _, report = convert(net, "polynomial2d", n=n, rescale_planes="match")
    assert report.parameters_after == pytest.approx(report.parameters_before, rel=0.03)  # in whole channels
    assert report.divisor > 1


def test_both_halves_are_high_order_but_for_the_last_layer() -> None:
    net, report = convert(autoencoder(channels=1, image_size=8, **SMALL))
    found: Any = net
    assert all(isinstance(layer, HighOrderLayer) for layer in (found.encoder[0][0], found.encoder[-1][1]))
    assert all(isinstance(layer, HighOrderLayer) for layer in (found.decoder[0][0], found.decoder[1][0]))
    assert [kept.name for kept in report.kept] == ["decoder.2.0"]
    half, _ = convert(autoencoder(channels=1, image_size=8, **SMALL), skip=["encoder"])
    assert not any(isinstance(layer, HighOrderLayer) for layer in half.get_submodule("encoder").modules())


def test_an_image_that_cannot_be_halved_so_often_is_refused() -> None:
    with pytest.raises(UserError, match=r"^model_name.stages=4: images of 8 pixels can be halved 3 times$"):
        autoencoder(channels=1, image_size=8, latent=2, hidden_channels=4, stages=4)


def pair() -> tuple[Tensor, Tensor]:
    return torch.randn(3, 2, 4, 4, dtype=torch.float64), torch.rand(3, 2, 4, 4, dtype=torch.float64)


def test_bernoulli_is_the_mean_over_black_and_white_images() -> None:
    outputs, pixels = pair()
    white = Bernoulli(logits=outputs)
    wanted = pixels * white.log_prob(torch.ones_like(pixels)) + (1 - pixels) * white.log_prob(torch.zeros_like(pixels))
    torch.testing.assert_close(LIKELIHOODS["bernoulli"]()(outputs, pixels), wanted.sum((1, 2, 3)))


def test_gaussian_is_a_density_with_a_learned_deviation() -> None:
    outputs, pixels = pair()
    likelihood = Gaussian()
    likelihood.log_deviation.data.fill_(math.log(0.2))
    wanted = Independent(Normal(outputs.sigmoid(), 0.2), 3).log_prob(pixels)
    torch.testing.assert_close(likelihood(outputs, pixels), wanted, rtol=1e-6, atol=0)
    (grad,) = torch.autograd.grad(likelihood(outputs, pixels).sum(), likelihood.log_deviation)
    assert grad != 0


def test_the_divergence_has_its_closed_form() -> None:
    mean, log_variance = torch.randn(2, 5, 3, dtype=torch.float64)
    one = torch.ones_like(mean)
    wanted = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0 * one, one)).sum(1)
    torch.testing.assert_close(divergence(mean, log_variance), wanted)


@pytest.mark.parametrize(("channels", "name"), [(1, "bernoulli"), (3, "gaussian")])
def test_the_likelihood_suits_the_images(channels: int, name: str) -> None:
    net = variational_autoencoder(channels=channels, image_size=8, **SMALL)
    assert type(net.likelihood) is LIKELIHOODS[name]
