"""Grids of what an autoencoder has learned."""

from typing import Any

import pytest
import torch

from high_order_nets.models.autoencoder import autoencoder, variational_autoencoder
from high_order_nets.plots.images import COLUMNS, draw
from high_order_nets.tasks import Autoencoding, VariationalAutoencoding
from tests.experiments import composed


@pytest.fixture(scope="module")
def data() -> Any:
    from high_order_nets.data.factory import make_data  # noqa: PLC0415 - Lightning

    return make_data(composed())


@pytest.mark.parametrize("latent", [2, 3])
@pytest.mark.parametrize("variational", [False, True])
def test_all_is_drawn_and_nothing_is_changed(variational: bool, latent: int, data: Any) -> None:
    build = variational_autoencoder if variational else autoencoder
    net = build(channels=1, image_size=8, latent=latent, hidden_channels=2, stages=2)
    kind: Any = VariationalAutoencoding if variational else Autoencoding
    task = kind(net, data.spec.normalisation, lambda *_: None)
    state, weights = torch.get_rng_state(), {name: value.clone() for name, value in task.state_dict().items()}
    figures = dict(draw(task, data, "a title"))
    assert list(figures) == ["reconstructions", *(["samples"] if variational else []), "codes"]
    assert torch.equal(torch.get_rng_state(), state)
    assert net.training
    torch.testing.assert_close(dict(task.state_dict()), weights, rtol=0, atol=0)
    axes = figures["codes"].axes[0]
    assert len(axes.get_xticklabels()) == COLUMNS
    assert (axes.get_xlabel() == "t") == (latent != 2)
    first, *_ = figures["reconstructions"].axes[0].get_yticklabels()
    assert first.get_text() == "image"
